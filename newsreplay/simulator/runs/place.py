"""Where runs lie: beside one another under numbers, replaced only by a whole run, one writer at a time."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from typing import NamedTuple, cast

from newsreplay.errors import RunError
from newsreplay.files import file_name, link_or_copy, old_of, recover, replace_folder, written_whole
from newsreplay.locks import LockedError, locked
from newsreplay.simulator.runs.paths import FOLDERS, JOURNAL
from newsreplay.simulator.runs.records import OptionsRecord, RunRecord

FILES = ("run.json", "results.json", "timing.json", "training.json", "experiment.toml", "SHA256SUMS")
REPORTS = ("report.html", "pictures", "export", "certificate.json")
UNFINISHED = "unfinished"  #: a file that says so in a folder in which a run is being written
PARTIAL = ".partial"  #: what the name of that folder ends with
POINTER = "the latest run: "  #: how a file begins that leads to a run where links are refused

Report = Callable[[str], None]  #: takes one line


class Numbered(NamedTuple):
    """Runs in `runs/demo-1`, `runs/demo-2`, …: a run like an earlier one takes its place, any other the next number.

    The path itself, `runs/demo`, leads to the latest of them.
    """

    latest: Path


class Key(NamedTuple):
    """What makes two runs the same: data, recommenders, options and version, and so their results."""

    data: str
    publishers: list[str]
    recommenders: list[str]
    objects: list[str]
    options: OptionsRecord
    newsreplay: str

    @classmethod
    def of(cls, record: RunRecord) -> Key:
        """The key of a run that is whole."""
        publishers = [facts["publisher"] for facts in record["publishers"]]
        names = record["recommenders"], record["objects"]
        return cls(record["data"]["digest"], publishers, *names, record["options"], record["newsreplay"])

    def digest(self) -> str | None:
        """24 hexadecimal digits; None where recommenders are Python objects, of which a name says too little."""
        if self.objects:
            return None
        return hashlib.blake2b(json.dumps(self, sort_keys=True).encode(), digest_size=12).hexdigest()

    def difference(self, record: Mapping[str, object]) -> str:
        """In words, in what the run of a run.json is another one."""
        try:
            other = Key.of(cast(RunRecord, record))
            names = {**self.options, **other.options}
            options = [name for name in names if self.options.get(name) != other.options.get(name)]
        except (KeyError, TypeError):  # damaged, or of another format
            return "another run"
        if self.objects or other.objects:
            return "a run of recommenders that are Python objects, which cannot be compared,"
        words = (
            *(["other data"] if self.data != other.data else []),
            *(["other publishers"] if self.publishers != other.publishers else []),
            *(["other recommenders"] if self.recommenders != other.recommenders else []),
            *(f"another {name}" for name in options),
            *(["another version of newsreplay"] if self.newsreplay != other.newsreplay else []),
        )
        return f"a run with {', '.join(words)}" if words else "another run"


def partial_of(folder: Path) -> Path:
    """Where a run lies until it is whole."""
    return folder.with_name(folder.name + PARTIAL)


def find_run(path: str | Path) -> Path:
    """The folder that a path leads to: itself, or the latest run, also while another is taking its place."""
    path = _led_to(Path(path))
    return old_of(path) if not path.exists() and path.name and old_of(path).exists() else path


def _led_to(path: Path) -> Path:
    if path.is_symlink() and len(path.readlink().parts) == 1:
        return path.parent / path.readlink()  # so that who has opened the latest run goes on reading the same one
    return _pointed_at(path) or path if path.is_file() else path


def _pointed_at(path: Path) -> Path | None:
    """What a file in place of a link names; None if it is another file."""
    try:
        text = path.read_text("utf-8") if path.stat().st_size < 1000 else ""
    except (OSError, ValueError):
        return None
    name = text.removeprefix(POINTER).strip()
    return path.with_name(name) if text.startswith(POINTER) and Path(name).name == name else None


class Claim(NamedTuple):
    """A folder that is this process's to write a run to."""

    folder: Path
    partial: Path  #: where it is written
    latest: Path | None  #: what is to lead to it
    report: Report

    def finish(self) -> None:
        """Put the whole run in its place; what else the folder held stays in it, but for what shows the old results.

        Raises `RunError` where that cannot be done: the run stays where it was written.
        """
        try:
            removed = keep_others(self.folder, self.partial)
            replace_folder(self.partial, self.folder)
        except OSError as error:
            raise RunError(
                f"the run is whole, but cannot take the place of {self.folder} ({error.strerror or error}); it lies in "
                f"{self.partial}: move it before you start another"
            ) from None
        if removed:
            self.report(f"removed {', '.join(removed)} of the earlier run in {self.folder}; make them again")
        self.lead()

    def lead(self) -> None:
        """Have the path to the latest run lead to this one, if there is such a path."""
        if self.latest is not None:
            try:
                _lead(self.latest, self.folder, self.report)
            except OSError as error:
                self.report(f"{self.latest} does not lead to {self.folder}: {error.strerror or error}")


@contextmanager
def claimed(
    out: Path | Numbered, key: Key, *, overwrite: bool, report: Report, resumed: bool = False
) -> Iterator[Claim]:
    """A folder for a run: `out`, or the number that is due. Raises `RunError`, in words, where it cannot be had.

    What lies there is untouched until `finish`; what an interrupted run has left beside it goes at once, unless that is
    `resumed`.
    """
    with ExitStack() as stack:
        named = out.latest if isinstance(out, Numbered) else out
        try:
            if isinstance(out, Numbered):
                _make_folder(out.latest.parent)
                claim = Claim(folder := _next(out.latest, key, stack), partial_of(folder), out.latest, report)
            else:
                folder = target(out)
                _make_folder(folder.parent)
                stack.enter_context(writing(folder))
                _check(folder, out, key, overwrite)
                claim = Claim(folder, partial_of(folder), None, report)
            if not resumed:
                _start(claim.partial, key, report)
        except OSError as error:
            why = error.strerror or error
            raise RunError(f"cannot write to {named}: {why}; name another folder with --out") from None
        yield claim


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None


def target(path: Path) -> Path:
    """The folder itself that is to be written, whatever links lead to it, by a name that others can lie beside."""
    path = _led_to(path)
    if path.name == PARTIAL:
        raise RunError(
            f"{path} is what an interrupted run without a name would be called; name another folder with --out"
        )
    return Path(os.path.realpath(path)) if path.is_symlink() or path.name in ("", "..") else path


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """The lock on a run folder, for a run and for its scoring alike. Raises `RunError` naming who has it."""
    with ExitStack() as stack:
        lock = folder.with_name(folder.name.removesuffix(PARTIAL))
        try:
            stack.enter_context(locked(lock))
        except LockedError as holder:
            raise RunError(
                f"{folder} is being written by {holder}; wait until it has ended, or name another folder with --out"
            ) from None
        recover(lock)
        shutil.rmtree(_scoring_of(folder), ignore_errors=True)  # of a process that was killed
        yield


def _scoring_of(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.scoring")


@contextmanager
def scored_again(folder: Path, *kept: str) -> Iterator[tuple[Path, list[str]]]:
    """A folder with `kept` of a run's files, to be filled; it takes the run's place, or goes after an error.

    Beside it the names of the reports that go with the earlier results. For whoever is `writing` the run.
    """
    work = _scoring_of(folder)
    try:
        work.mkdir()
        yield work, keep_others(folder, work, *kept)
        replace_folder(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check(folder: Path, named: Path, key: Key, overwrite: bool) -> None:
    """Refuse what must not be replaced."""
    if not folder.exists():
        return
    if folder.is_mount():
        raise RunError(f"{named} is a mount point, which cannot be replaced; name a folder in it: {named}/run")
    if not _is_run(folder):
        raise RunError(f"{named} holds something that is not a run; name another folder with --out")
    record = read_mark(folder / "run.json")
    if record and not overwrite and (key.digest() is None or record.get("key") != key.digest()):
        raise RunError(
            f"{named} holds {key.difference(record)}; replace it with --overwrite, or name another folder with --out"
        )


def _is_run(folder: Path) -> bool:
    """Whether a folder holds a run, whole or not, or nothing."""
    if not folder.is_dir():
        return False
    return any((folder / mark).exists() for mark in ("run.json", UNFINISHED)) or not any(folder.iterdir())


def read_mark(path: Path) -> dict[str, object]:
    """What a JSON file says of a run; nothing where there is none. A damaged one is a run all the same."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        value = None
    return value if isinstance(value, dict) and value else {"key": "damaged"}


def _start(partial: Path, key: Key, report: Report) -> None:
    if partial.exists():
        if not _is_run(partial):
            raise RunError(f"{partial} holds something that is not a run; name another folder with --out")
        journal = partial / JOURNAL
        if journal.exists() and (ended := len(journal.read_bytes().splitlines()) - 1) > 0:
            pairs = f"{ended:,} pairs of recommender and publisher" if ended > 1 else "a pair"
            report(f"begins anew; {pairs} that an interrupted run had finished went (--resume goes on with them)")
        shutil.rmtree(partial)
    partial.mkdir()
    text = json.dumps({"this run": "has not ended", "key": key.digest()}) + "\n"
    (partial / UNFINISHED).write_text(text, "utf-8")


def _next(latest: Path, key: Key, stack: ExitStack) -> Path:
    """The number of a run like this one that is not being written, or else the first free one; locked."""
    if latest.exists() and not latest.is_symlink() and _pointed_at(latest) is None and not _is_run(latest):
        raise RunError(f"{latest} holds something that is not a run; name another folder with --out")
    numbers = _numbers(latest)
    same = [number for number in sorted(numbers, reverse=True) if _holds(_numbered(latest, number), key)]
    for number in chain(same, count(max(numbers, default=0) + 1)):
        folder = _numbered(latest, number)
        with ExitStack() as lock:
            try:
                lock.enter_context(writing(folder))
            except RunError:
                continue
            # Once it is locked: another process may have been here meanwhile.
            taken = any(os.path.lexists(path) for path in (folder, partial_of(folder)))
            if _holds(folder, key) if number in same else not taken:
                stack.push(lock.pop_all())
                return folder
    raise AssertionError("numbers do not end")


def _numbers(latest: Path) -> set[int]:
    """The numbers that runs have."""
    pattern = re.compile(rf"{re.escape(latest.name)}-([1-9][0-9]*)(?:{re.escape(PARTIAL)})?")
    paths = (path for path in latest.parent.iterdir() if path.is_dir() and not path.is_symlink())
    return {int(found[1]) for path in paths if (found := pattern.fullmatch(path.name))}


def _holds(folder: Path, key: Key) -> bool:
    """Whether a run with this key lies there, or one that was interrupted and no other."""
    path = folder / "run.json" if folder.exists() else partial_of(folder) / UNFINISHED
    return key.digest() is not None and read_mark(path).get("key") == key.digest()


def _numbered(latest: Path, number: int) -> Path:
    return latest.with_name(f"{latest.name}-{number}")


def _lead(latest: Path, folder: Path, report: Report) -> None:
    """Have a path lead to the latest run: a link, or a file that names it where links are refused."""
    if latest.is_dir() and not latest.is_symlink() and not _made_way(latest, report):
        return
    link = latest.with_name(f".{latest.name}.link-{os.getpid()}")
    link.unlink(missing_ok=True)
    try:
        link.symlink_to(folder.name, target_is_directory=True)
        link.replace(latest)
    except (OSError, NotImplementedError):
        link.unlink(missing_ok=True)
        with written_whole(latest) as work:
            work.write_text(f"{POINTER}{folder.name}\n", "utf-8")


def _made_way(latest: Path, report: Report) -> bool:
    """Give a run that lies where the latest is to be looked for a number of its own, unless it is numbered already."""
    data = read_mark(latest / "run.json").get("data")
    name = data.get("name") if isinstance(data, dict) else None
    if name is not None and latest.name.startswith(f"{file_name(str(name))}-"):
        report(f"{latest} is a run of {name}, and does not lead to the latest run")
        return False
    for number in count(max(_numbers(latest), default=0) + 1):
        folder = _numbered(latest, number)
        with suppress(RunError), writing(folder):  # else another run is being written there
            if not any(os.path.lexists(path) for path in (folder, partial_of(folder))):
                latest.rename(folder)
                report(f"the run that was {latest} is now {folder}; {latest} leads to the latest run")
                return True
    raise AssertionError("numbers do not end")


def keep_others(old: Path, new: Path, *names: str) -> list[str]:
    """Bring into `new` what a run folder holds besides a run, and `names`; returns which reports are left behind.

    Files get a second name and are not copied, where the file system can do that.
    """
    if not old.is_dir():
        return []
    made = {*FILES, *FOLDERS, *REPORTS, UNFINISHED} - {*names}
    for path in sorted(old.iterdir()):
        if path.name in made or (new / path.name).exists():
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, new / path.name, symlinks=True, copy_function=link_or_copy)
        else:
            link_or_copy(path, new / path.name)
    return [name for name in REPORTS if (old / name).exists()]
