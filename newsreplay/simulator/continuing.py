"""Runs that go on: after an interruption, with more recommenders or publishers, and over a log that has grown."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from newsreplay.datasets.grown import differences
from newsreplay.datasets.store import Dataset
from newsreplay.errors import RunError
from newsreplay.machine import cores
from newsreplay.recommenders.registry import Entry, is_strange, start_list
from newsreplay.simulator.replay.checkpoints import RECORD
from newsreplay.simulator.run import Earlier, run
from newsreplay.simulator.runs.experiment import asked_from
from newsreplay.simulator.runs.files import Digests
from newsreplay.simulator.runs.folder import (
    found_or_named,
    options_of,
    read_info,
    read_timing,
    read_training,
    recorded_data,
)
from newsreplay.simulator.runs.journal import Finished, Head, read_journal, remove_journal
from newsreplay.simulator.runs.options import DataSource, Execution, Options
from newsreplay.simulator.runs.origin import code_digest, file_digests
from newsreplay.simulator.runs.paths import JOURNAL, pair_files, state_folder
from newsreplay.simulator.runs.place import PARTIAL, Claim, find_run, partial_of, target, writing
from newsreplay.simulator.runs.records import DataRecord, OptionsRecord, RunRecord
from newsreplay.spec import check_names, names_text, parse_spec
from newsreplay.version import __version__


class Begun(NamedTuple):
    """What a run that is to go on was asked for."""

    folder: str | None  #: where its paths begin; None in runs of earlier versions
    k: int
    recommenders: list[str]  #: as specs
    names: dict[str, str]  #: display names by spec

    @classmethod
    def of(cls, folder: Path, *, interrupted: bool) -> Begun:
        """That of a run that `resume` (`interrupted`) or `add` is to go on with. Raises `RunError`."""
        if interrupted:
            folder = _interrupted(target(folder))
            lines = read_journal(partial_of(folder))
            if lines is not None:
                head = lines.head
                return cls(head["asked"]["folder"], head["options"]["k"], head["recommenders"], head["names"])
            _check_whole(folder)
        info = read_info(find_run(folder))
        begins = info["data"]["asked"]["folder"] if "asked" in info["data"] else None
        return cls(begins, info["options"]["k"], info["recommenders"], info.get("names", {}))


# --- after an interruption ----------------------------------------------------------------------------------


def resume(folder: str | Path, *, data: DataSource | None = None, execution: Execution = Execution()) -> Path:
    """Go on with a run that was interrupted, however that was; returns its folder, once it is whole.

    `folder` is where the run was to lie. Pairs that had ended are not replayed again; the others go on from their last
    checkpoint, where there is one, or begin anew. What comes of it is what an undisturbed run would have written, but
    for times. A run that is whole is left as it is. The data are looked for where they lay; `data` names them
    otherwise. Raises `RunError` where there is nothing to go on with, where the data, newsreplay's code or a file that
    recommenders name is another, and for recommenders that are Python objects.
    """
    folder = _interrupted(target(Path(folder)))
    partial = partial_of(folder)
    lines = read_journal(partial)
    if lines is None:
        return _settled(folder, execution)
    head = lines.head
    if head["objects"]:
        raise RunError(
            f"{partial} was made with objects from Python ({', '.join(head['objects'])}), which cannot be made again; "
            "run it again"
        )
    entries = _entries(head["recommenders"], head["names"], execution)
    asked = asked_from(head["asked"])
    dataset = found_or_named(head["folder"], asked, folder, data)
    dataset.asked = asked
    differing = [*_other_code(head, entries, head["recommenders"])]
    if dataset.card["digest"] != head["digest"]:
        differing.insert(0, f"the data in {dataset.folder}: {dataset.card['digest']}, {head['digest']} then")
    if differing:
        raise RunError(
            f"{partial} cannot go on, since these are no longer what they were: {'; '.join(differing)}; make them so, "
            f"or start anew: {head['command'] or 'newsreplay run'}"
        )
    options = Options.from_flat(head["options"])
    execution = replace(
        _able(execution, options),
        command=head["command"],
        pair_timeout=execution.pair_timeout or head["pair_timeout"],
        memory_limit=execution.memory_limit or head["memory_limit"],
        fail_fast=execution.fail_fast or head["fail_fast"],
    )
    return run(
        dataset,
        entries,
        folder,
        options,
        publishers=head["publishers"],
        execution=execution,
        overwrite=True,  # it was looked at when the run began
        earlier=Earlier(latest=_latest(folder, head)),
    )


def _interrupted(folder: Path) -> Path:
    """The run that a path means: it, or the one that was to be its number. Raises `RunError` where it is none."""
    if folder.name.endswith(PARTIAL):
        return folder.with_name(folder.name.removesuffix(PARTIAL))
    if (partial_of(folder) / JOURNAL).exists():
        return folder
    paths = sorted(folder.parent.glob(f"*{PARTIAL}"))
    for name in dict.fromkeys((folder.name, re.sub("-[0-9]+$", "", folder.name))):  # demo-first-20 may be both
        pattern = re.compile(rf"{re.escape(name)}-[0-9]+{re.escape(PARTIAL)}")
        found = [path for path in paths if pattern.fullmatch(path.name)]
        if len(found) > 1:
            raise RunError(f"several runs were interrupted: {', '.join(map(str, found))}; name one of them")
        if found:
            return found[0].with_name(found[0].name.removesuffix(PARTIAL))
    return folder


def _settled(folder: Path, execution: Execution) -> Path:
    """A run that was whole when it was interrupted, if it was at all. Raises `RunError` where there is none."""
    _check_whole(folder)
    with writing(folder):
        read_info(folder)
        if (lines := read_journal(folder)) is not None:
            Claim(folder, partial_of(folder), _latest(folder, lines.head), execution.report).lead()
            remove_journal(folder)
    execution.report(f"{folder} is whole; there is nothing to go on with")
    return folder


def _check_whole(folder: Path) -> None:
    if not (folder / "run.json").exists():
        raise RunError(
            f"{folder} was not interrupted, or before there was anything to go on with; start it with 'newsreplay run'"
        )


def _latest(folder: Path, head: Head) -> Path | None:
    return None if head["latest"] is None else folder.with_name(head["latest"])


def _entries(specs: list[str], names: Mapping[str, str], execution: Execution) -> list[Entry]:
    entries = start_list([parse_spec(text) for text in specs], execution.apart)
    return [entry._replace(name=names.get(entry.label)) for entry in entries]


def _able(execution: Execution, options: Options) -> Execution:
    """The same, with processes where answers can be given up only there."""
    if options.answering.answer_timeout is None or execution.jobs is not None:
        return execution
    return replace(execution, jobs=cores())


def _other_code(then: Head | RunRecord, entries: list[Entry], labels: Iterable[str]) -> list[str]:
    """In words, what of the code is no longer what it was, and what of the files that these recommenders name."""
    now, files = file_digests(entries), then.get("files", {})
    versions = (
        ("newsreplay", __version__, then["newsreplay"]),
        ("its code", code_digest(), then.get("code", "unknown")),
    )
    named = ((f"the files of {label}", now.get(label, "none"), files.get(label, "none")) for label in labels)
    return [f"{what}: {new}, {old} then" for what, new, old in chain(versions, named) if new != old]


# --- more of it ---------------------------------------------------------------------------------------------


def add(
    folder: str | Path,
    recommenders: Iterable[Entry] = (),
    *,
    data: DataSource | None = None,
    publishers: Iterable[str] = (),
    out: Path | None = None,
    given: Mapping[str, object] | None = None,
    names: Mapping[str, str] | None = None,
    execution: Execution = Execution(),
) -> Path:
    """Add recommenders and publishers to a run; returns the folder of the joined one, which takes the run's place.

    Only pairs that the run does not have, or that failed there, are replayed. What comes of it is what one run of all
    would have written, but for times. `out` is another folder for it; `given` are options that must be those of the
    run, by their names in run.json; `names` are display names by spec. The data are looked for where they lay; `data`
    names them otherwise, and may have more publishers. Raises `RunError` where the run has other data or options, was
    made by another version or other code of newsreplay or of a recommender's, was interrupted, was scored again, or has
    recommenders that are objects.
    """
    folder = find_run(folder)
    info = read_info(folder)
    _check_addable(folder, info)
    dataset = recorded_data(info, folder, data)
    if data is None and "asked" in info["data"]:
        dataset.asked = asked_from(info["data"]["asked"])
    before = _entries(info["recommenders"], info.get("names", {}), execution)
    entries = [*before, *(entry for entry in recommenders if entry.label not in set(info["recommenders"]))]
    named = {entry.label: entry.name for entry in entries if entry.name is not None} | {**(names or {})}
    check_names(named, [entry.label for entry in entries])
    entries = [entry._replace(name=named.get(entry.label)) for entry in entries]
    chosen = [*dict.fromkeys([*(facts["publisher"] for facts in info["publishers"]), *publishers])]
    differing = [
        *_other_data(info, dataset),
        *_other_options(info["options"], given or {}),
        *_other_code(info, before, info["recommenders"]),
    ]
    if differing:
        raise RunError(f"nothing can be added to {folder}, which had others of these: {'; '.join(differing)}")
    finished = _finished(folder, info)
    if out is None and entries == before and len(chosen) == len(info["publishers"]) and _is_done(info):
        execution.report(f"{folder} has all of this; nothing is replayed")
        return folder
    changed = {
        "--recommenders": ",".join(entry.label for entry in entries),
        "--publishers": ",".join(chosen) if publishers else None,
        "--names": names_text(named) if names else None,
    }
    return _longer(info, dataset, entries, chosen, Earlier(folder, finished), out, execution, changed)


def _longer(
    info: RunRecord,
    dataset: Dataset,
    entries: list[Entry],
    publishers: list[str],
    earlier: Earlier,
    out: Path | None,
    execution: Execution,
    changed: dict[str, str | None],
) -> Path:
    """Run what goes on with a whole run, with its options, in its place or in `out`; returns the folder."""
    options = options_of(info)
    command = _changed_command(info["command"], changed | {"--out": None if out is None else str(out)})
    assert earlier.folder is not None
    return run(
        dataset,
        entries,
        earlier.folder if out is None else out,
        options,
        publishers=publishers,
        execution=replace(_able(execution, options), command=command),
        overwrite=out is None,
        earlier=earlier,
    )


def _is_done(info: RunRecord) -> bool:
    return all(pair["status"] == "done" for pair in info["pairs"])


def _check_addable(folder: Path, info: RunRecord) -> None:
    if info.get("partial"):
        raise RunError(f"{folder} is a partial run; finish it first: newsreplay run --resume {folder}")
    if info["objects"]:
        raise RunError(
            f"{folder} was made with objects from Python ({', '.join(info['objects'])}), which cannot be compared; "
            "name recommenders as specs, my_file.py:Mine(size=3)"
        )
    if info["rescored"]:
        raise RunError(
            f"{folder} was scored again with other options ({', '.join(info['rescored'])}); add to the run before that"
        )


def _other_data(info: RunRecord, dataset: Dataset) -> list[str]:
    """In words, which of the run's publishers have another log now."""
    now = {facts["publisher"]: facts["digest"] for facts in dataset.card["publishers"]}
    return [
        f"the data of {facts['publisher']}: {now.get(facts['publisher'], 'none')} in {dataset.folder}, "
        f"{facts['digest']} in the run"
        for facts in info["publishers"]
        if now.get(facts["publisher"]) != facts["digest"]
    ]


def _other_options(options: OptionsRecord, given: Mapping[str, object]) -> list[str]:
    """In words, which of the options that are given are others than those of the run."""
    had = Options.from_flat(options).all()
    return [f"{name}: {value} is given, {had[name]} in the run" for name, value in given.items() if had[name] != value]


def _finished(folder: Path, info: RunRecord) -> tuple[Finished, ...]:
    """The pairs of a whole run that brought answers, as its journal named them. Raises `RunError`."""
    digests = Digests(folder)
    timing = {(one["publisher"], one["recommender"]): one for one in read_timing(folder)["pairs"]}
    rounds = {(one["publisher"], one["recommender"]): one["rounds"] for one in read_training(folder)}
    finished = []
    for pair in info["pairs"]:
        key = pair["publisher"], pair["recommender"]
        if pair["status"] == "failed":
            continue
        names = [path.relative_to(folder).as_posix() for path in pair_files(folder, *key)]
        files = {name: digests.of[name] for name in names if name in digests.of}
        for name in files:
            digests.whole(folder / name)
        finished.append(Finished(pair=pair, timing=timing[key], rounds=rounds.get(key, []), files=files))
    return tuple(finished)


def _changed_command(command: str | None, changed: Mapping[str, str | None]) -> str | None:
    """The command line that makes the longer run at once; options that are None stay as they were, empty ones go."""
    if command is None:
        return None
    words = shlex.split(command)
    for name, value in changed.items():
        if value == "":
            words = [word for at, word in enumerate(words) if name not in (word.split("=")[0], words[at - 1])]
            continue
        if value is None:
            continue
        for place, word in enumerate(words):
            if word == name:
                words[place + 1] = value
                break
            if word.startswith(f"{name}="):
                words[place] = f"{name}={value}"
                break
        else:
            words += [name, value]
    return shlex.join(words)


# --- more of its log ----------------------------------------------------------------------------------------


def extend(
    folder: str | Path, data: DataSource, *, out: Path | None = None, execution: Execution = Execution()
) -> Path:
    """Go on with a run over its log as it has grown; returns the folder of the longer run, which takes the run's place.

    `data` is the run's log with what came after its last moment, shaped as the run's was, all rows of it. What comes of
    it is what one run over `data` would have written, but for times. Pairs of which the run kept states (`states`) are
    replayed from there on, and the others from the start; all are judged anew, since sessions may have gone on.
    `out` is another folder for it. Raises `RunError` where `data` does not begin with the log of the run, where that is
    no longer there to be compared, and as `add` does.
    """
    folder = find_run(folder)
    info = read_info(folder)
    _check_addable(folder, info)
    chosen = [facts["publisher"] for facts in info["publishers"]]
    dataset = recorded_data({**info, "data": _unlimited(info)}, folder, data)
    entries = _entries(info["recommenders"], info.get("names", {}), execution)
    differing = [*_no_continuation(info, folder, dataset), *_other_code(info, entries, info["recommenders"])]
    if differing:
        raise RunError(
            f"{folder} cannot be extended with {dataset.name}: {'; '.join(differing)}; --data is to be all of the log, "
            "the run's rows and what came after their last moment; else run it again"
        )
    if dataset.card["digest"] == info["data"]["digest"]:
        execution.report(f"{folder} has all of this; nothing is replayed")
        return folder
    options = options_of(info)
    states = _states(folder, info, dataset, {entry.label for entry in entries if is_strange(parse_spec(entry.label))})
    execution.report(_said_of(states, info, options.keeping.states))
    named = dataset.asked.data if dataset.asked is not None else None
    changed = {
        "--data": named or dataset.name,
        "--limit": "",
        "--publishers": None if set(chosen) == {*dataset.publishers} else ",".join(chosen),
    }
    return _longer(info, dataset, entries, chosen, Earlier(folder, states=states), out, execution, changed)


def _unlimited(info: RunRecord) -> DataRecord:
    """What data a run was about, were all rows replayed."""
    return {**info["data"], "options": info["data"]["options"] | {"limit": None}}


def _no_continuation(info: RunRecord, folder: Path, dataset: Dataset) -> list[str]:
    """In words, why the data are not those of the run with more rows behind their last. Raises `RunError`."""
    then = recorded_data(info, folder, None)
    if then.card["digest"] != info["data"]["digest"]:
        raise RunError(
            f"the log of {folder} is no longer in {then.folder}, so nobody can tell whether {dataset.name} goes on "
            "where it ends; run it again"
        )
    differing = []
    for facts in info["publishers"]:
        name = facts["publisher"]
        if name not in dataset.publishers:
            differing.append(f"it has no publisher {name!r}")
        else:
            found = differences(then.publisher(name), dataset.publisher(name))
            differing += [f"{name}: {what}" for what in found]
    return differing


def _states(folder: Path, info: RunRecord, dataset: Dataset, strange: set[str]) -> tuple[tuple[str, str], ...]:
    """The pairs, publisher and recommender, that can go on from states.

    What was told of the future cannot. Neither can what `strange` recommenders, those of others, have kept where there
    are histories without times: it may hold handles of articles in these, which are others in a longer log.
    """
    with_handles = {name for name in dataset.publishers if dataset.publisher(name).articles.profiles is not None}
    pairs = [
        (pair["publisher"], pair["recommender"])
        for pair in info["pairs"]
        if "foresight" not in pair and not (pair["publisher"] in with_handles and pair["recommender"] in strange)
    ]
    return tuple(pair for pair in pairs if (state_folder(folder, *pair) / RECORD).is_file())


def _said_of(states: tuple[tuple[str, str], ...], info: RunRecord, asked: bool) -> str:
    """A line on how many pairs go on from states; `asked`: whether the run was to keep them."""
    pairs = [(pair["publisher"], pair["recommender"]) for pair in info["pairs"]]
    others = [
        f"{recommender} on {publisher}" for publisher, recommender in pairs if (publisher, recommender) not in states
    ]
    if not states:
        why = "no pair has a state to go on from" if asked else "no state is kept (newsreplay run --keep-states)"
        return f"{why}, so all pairs are replayed from the start"
    goes_on = f"{len(states):,} of {len(pairs):,} pairs go on from their states"
    return f"{goes_on}; replayed from the start: {', '.join(others)}" if others else goes_on
