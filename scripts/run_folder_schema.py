"""Writes docs/run-folder.schema.json, the JSON Schema of a run folder's JSON files, from the types of its records.

python scripts/run_folder_schema.py            # write it
python scripts/run_folder_schema.py --check    # leave with 1 where it is stale
"""

from __future__ import annotations

import argparse
import inspect
import json
import sys
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from newsreplay.simulator.judgement.metrics import Result
from newsreplay.simulator.runs.records import FORMAT, RunRecord, TimingRecord, TrainingRecord

PATH = Path(__file__).parents[1] / "docs" / "run-folder.schema.json"
FILES: dict[str, Any] = {
    "run.json": RunRecord,
    "results.json": list[Result],
    "timing.json": TimingRecord,
    "training.json": list[TrainingRecord],
}
PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}

Schema = dict[str, Any]


def schema() -> Schema:
    """The schema: an object with a property a file."""
    definitions: dict[str, Schema] = {}
    properties = {name: _of(kind, definitions) for name, kind in FILES.items()}
    definitions["RunRecord"]["properties"]["format"] = {"const": FORMAT}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"The JSON files of a run folder of newsreplay, format {FORMAT}, by their names",
        "type": "object",
        "properties": properties,
        "required": [name for name in FILES if name != "training.json"],
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.items())),
    }


def _of(kind: Any, definitions: dict[str, Schema]) -> Schema:
    """The schema of a type; records go into `definitions`, under their names."""
    if kind in PLAIN:
        return {"type": PLAIN[kind]}
    if kind is object:
        return {}
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of(argument, definitions) for argument in arguments]}
    if origin is list:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(arguments[1], definitions)}
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # so that a record may hold its like
        definitions[kind.__name__] = _record(kind, definitions)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _record(kind: Any, definitions: dict[str, Schema]) -> Schema:
    """The schema of a TypedDict or NamedTuple."""
    hints = get_type_hints(kind)  # without NotRequired
    required = [name for name in hints if not is_typeddict(kind) or name in _required(kind)]
    return {
        "type": "object",
        "description": (inspect.getdoc(kind) or "").split("\n")[0],
        "properties": {name: _of(hint, definitions) for name, hint in hints.items()},
        "required": required,
        "additionalProperties": False,
    }


def _required(kind: Any) -> set[str]:
    """The keys that a TypedDict must have; `__required_keys__` is wrong where annotations are text."""
    if not kind.__total__:
        return set()
    hints = get_type_hints(kind, include_extras=True)
    return {name for name, hint in hints.items() if "NotRequired" not in str(get_origin(hint))}


def main() -> int:
    """Write the schema, or check it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--check", action="store_true", help="leave with 1 where the file is stale")
    check = parser.parse_args().check
    text = json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"
    if not check:
        PATH.write_text(text, "utf-8")
        return 0
    if PATH.exists() and PATH.read_text("utf-8") == text:
        return 0
    print(f"{PATH} is stale; run: python scripts/run_folder_schema.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
