"""Experiment files: what a run was asked for, as TOML that `newsreplay run FILE` runs again.

    data = "clicks.csv"
    recommenders = ["baselines", { spec = "trend(hours=6)", name = "Trend, 6 h" }]

    [options]
    k = 10
    warmup = "1d"

docs/experiment-files.md has all keys.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, cast

from newsreplay.datasets.base import Asked
from newsreplay.datasets.store import Dataset
from newsreplay.durations import Delays, Duration, duration_text, milliseconds
from newsreplay.errors import NewsreplayError, did_you_mean
from newsreplay.machine import home
from newsreplay.simulator.runs.files import written
from newsreplay.simulator.runs.records import AskedRecord, OptionsRecord, PreparingRecord, RunRecord
from newsreplay.spec import parse_spec

FILE = "experiment.toml"  #: in every run folder
_BARE = re.compile(r"[A-Za-z0-9_-]+")

#: What a value must be, in words, and whether it is.
_KINDS: dict[str, Callable[[object], bool]] = {
    "a whole number": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "text": lambda value: isinstance(value, str),
    "true or false": lambda value: isinstance(value, bool),
    "a list of texts": lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    "a list of whole numbers": lambda value: isinstance(value, list) and all(type(one) is int for one in value),
    "a table of texts": lambda value: isinstance(value, dict) and all(isinstance(v, str) for v in value.values()),
    "a table": lambda value: isinstance(value, dict),
    "text, or a table that says what it was": lambda value: isinstance(value, str | dict),
    "a list of specs": lambda value: isinstance(value, list),
}
_TOP = {
    "folder": "text",
    "data": "text, or a table that says what it was",
    "publishers": "a list of texts",
    "recommenders": "a list of specs",
    "columns": "a table of texts",
    "preparing": "a table",
    "options": "a table",
}
_PREPARING = {
    "impressions": "text",
    "session_gap": "text",
    "keep": "a list of texts",
    "history": "text",
    "file_order": "true or false",
}
_OPTIONS = {
    "limit": "a whole number",
    "k": "a whole number",
    "seed": "a whole number",
    "seeds": "a list of whole numbers",
    "warmup": "text",
    "window": "text",
    "split": "text",
    "max_session_length": "a whole number",
    "requests": "text",
    "exclude": "text",
    "feedback_delay": "text",
    "cluster": "text",
    "reward": "text",
    "timed": "true or false",
    "deadline": "text",
    "strict_deadline": "true or false",
    "answer_timeout": "text",
    "pair_timeout": "text",
    "memory_limit": "text",
    "jobs": "a whole number",
    "slates": "true or false",
    "states": "true or false",
}
_RECOMMENDER = {"spec": "text", "name": "text"}
_DURATIONS = ("warmup", "window", "deadline", "answer_timeout")  #: of the options that run.json has in ms


# --- reading ----------------------------------------------------------------------------------------------


class Experiment(NamedTuple):
    """An experiment file as it was read."""

    path: Path
    folder: Path  #: where its paths begin, absolute
    values: dict[str, object]  #: by option of `newsreplay run`: text as it would be typed, or a list, a table, a flag
    places: dict[str, str]  #: by the same: file, line and key, for errors


def read_experiment(path: Path) -> Experiment:
    """Read an experiment file. Raises `NewsreplayError` naming file, line and key where it says what it cannot."""
    try:
        text = path.read_text("utf-8")
        content = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise NewsreplayError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except tomllib.TOMLDecodeError as error:
        raise NewsreplayError(f"{path} is no experiment file (TOML): {error}; data are named with --data") from None
    reading = _Reading(path, text)
    reading.check(content, _TOP, "")
    values: dict[str, object] = {}
    for section, keys in (("preparing", _PREPARING), ("options", _OPTIONS)):
        table = cast("dict[str, object]", content.get(section, {}))
        reading.check(table, keys, section)
        values |= table
    values |= {name: content[name] for name in ("data", "publishers", "columns") if content.get(name)}
    if isinstance(content.get("data"), dict):
        raise reading.error("data", f"was {_what(content['data'])} from Python, which a file cannot name; name a file")
    if "recommenders" in content:
        values |= _recommenders(reading, content["recommenders"])
    folder = Path(os.path.abspath(path.parent / str(content.get("folder", "."))))  # noqa: PTH100 - links stay
    if not folder.is_dir():
        raise reading.error("folder", f"is {content['folder']!r}, and there is no {folder}")
    sections = dict.fromkeys(_PREPARING, "preparing") | dict.fromkeys(_OPTIONS, "options")
    places = {name: reading.place(name, sections.get(name, "")) for name in values}
    return Experiment(path, folder, values, places)


def _recommenders(reading: _Reading, listed: list[object]) -> dict[str, object]:
    """The option `--recommenders`, and `--names` where any has one."""
    specs: list[str] = []
    names: dict[str, str] = {}
    for one in listed:
        if isinstance(one, dict) and "object" in one:
            raise reading.error(
                "recommenders",
                f"has {one['object']!r}, an object from Python, which a file cannot name; "
                "name its class as file.py:Class",
            )
        if isinstance(one, dict):
            reading.check(one, _RECOMMENDER, "recommenders")
        spec = one.get("spec") if isinstance(one, dict) else one
        if not isinstance(spec, str):
            raise reading.error("recommenders", f'has {one!r}; write "trend(hours=6)" or {{ spec = "…", name = "…" }}')
        specs.append(spec)
        if isinstance(one, dict) and "name" in one:
            names[str(parse_spec(spec))] = one["name"]
    return {"recommenders": ",".join(specs)} | ({"names": names} if names else {})


def _what(table: object) -> str:
    return str(table.get("object", "an object")) if isinstance(table, dict) else str(table)


class _Reading(NamedTuple):
    """A file that is being read, for what is said of it."""

    path: Path
    text: str

    def check(self, table: Mapping[str, object], keys: Mapping[str, str], section: str) -> None:
        """Refuse keys that there are not, and values that are not what they must be."""
        for key, value in table.items():
            if key not in keys:
                hint = did_you_mean(key, keys) or f"There are {', '.join(keys)}."
                raise NewsreplayError(f"{self.place(key, section)} is no key of an experiment file. {hint}")
            if not _KINDS[keys[key]](value):
                raise NewsreplayError(f"{self.place(key, section)} must be {keys[key]}, not {value!r}")

    def error(self, key: str, what: str) -> NewsreplayError:
        return NewsreplayError(f"{self.place(key, '')} {what}")

    def place(self, key: str, section: str) -> str:
        """The file, the line and the key, as errors begin; without the line where the key is written in an odd way."""
        shown = f"{section}.{key}" if section else key
        line = next(self._lines(key, section), None)
        return f"{self.path}{'' if line is None else f' line {line}'}: {shown!r}"

    def _lines(self, key: str, section: str) -> Iterator[int]:
        begins = re.compile(rf"""\s*(?:\[+\s*)?["']?{re.escape(key)}["']?\s*[=\]]""")
        inline = re.compile(rf"""[{{,]\s*["']?{re.escape(key)}["']?\s*=""")
        current = ""
        for number, line in enumerate(self.text.splitlines(), 1):
            if head := re.match(r"\s*\[+\s*([\w-]+)", line):
                current = head[1]
            if (begins.match(line) and current in (section, key)) or (inline.search(line) and section):
                yield number


# --- writing ----------------------------------------------------------------------------------------------


def asked_of(dataset: Dataset) -> AskedRecord:
    """What a data set was found by, as run.json has it, durations as text."""
    folder = dataset.folder.absolute()
    asked = dataset.asked
    if asked is None:
        named = folder.parent == (home() / "data").absolute()
        asked = Asked(folder.name if named else None, {}, {}, f"the data set in {folder}")
    preparing = dict(asked.preparing)
    if "session_gap" in preparing:
        preparing["session_gap"] = _duration(milliseconds(cast(Duration, preparing["session_gap"])))
    record: AskedRecord = {
        "columns": asked.columns,
        "preparing": cast(PreparingRecord, preparing),
        "folder": asked.folder or str(Path.cwd()),
    }
    if asked.limit is not None:
        record["limit"] = asked.limit
    if asked.data is None:
        record["object"] = asked.what
    else:
        record["data"] = asked.data
    return record


def asked_from(record: AskedRecord) -> Asked:
    """What run.json has of what a data set was found by."""
    return Asked(
        record.get("data"),
        record["columns"],
        {**record["preparing"]},
        record.get("object", ""),
        record.get("limit"),
        record["folder"],
    )


def write_experiment(folder: Path, record: RunRecord) -> None:
    """Write the experiment file of a run. Raises `RunError` if it cannot be written."""
    asked = record["data"].get("asked")
    if asked is None:  # of a run of an earlier version
        return
    with written(folder / FILE) as work:
        work.write_text(_text(folder, record, asked), "utf-8", "backslashreplace")


def _text(folder: Path, record: RunRecord, asked: AskedRecord) -> str:
    names = record.get("names", {})
    listed: list[object] = []
    for label in record["recommenders"]:
        if label in record["objects"]:
            listed.append({"object": label})
        else:
            listed.append({"spec": label, "name": names[label]} if label in names else label)
    top: dict[str, object] = {
        "folder": _from(folder, Path(asked["folder"])),
        "data": asked["data"] if "data" in asked else {"object": asked.get("object", "")},
        "publishers": [facts["publisher"] for facts in record["publishers"]],
        "recommenders": listed,
    }
    limit: dict[str, object] = {"limit": asked["limit"]} if "limit" in asked else {}
    tables = {
        "columns": asked["columns"],
        "preparing": asked["preparing"],
        "options": limit | _options(record["options"]),
    }
    lines = [
        f"# What this run was asked for; 'newsreplay run {FILE}' runs it again. Paths begin in `folder`.",
        *(f"{name} = {_toml(value)}" for name, value in top.items()),
    ]
    for name, table in tables.items():
        if table:
            lines += ["", f"[{name}]", *(f"{_key(key)} = {_toml(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _from(folder: Path, target: Path) -> str:
    """A folder, seen from a run's: relative where the run lies in it, so that both can be moved together."""
    here = folder.absolute()
    return Path(os.path.relpath(target, here)).as_posix() if here.is_relative_to(target) else str(target)


def _options(options: OptionsRecord) -> dict[str, object]:
    """Options as an experiment file has them: durations as text, what is none left out."""
    flat: dict[str, object] = {**options}
    for name in _DURATIONS:
        value = cast("float | None", flat.pop(name, None))
        if value:
            flat[name] = _duration(int(value))
    if delays := options.get("feedback_delay"):
        flat["feedback_delay"] = str(Delays(**delays))
    return {name: flat[name] for name in _OPTIONS if flat.get(name) not in (None, [])}


def _duration(ms: int) -> str:
    return duration_text(ms) if ms else "0ms"


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        pieces = [_toml(one) for one in value]
        if sum(map(len, pieces)) > 90:
            return "[\n" + "".join(f"  {piece},\n" for piece in pieces) + "]"
        return f"[{', '.join(pieces)}]"
    # A JSON string is one of TOML, but for DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _toml(key)
