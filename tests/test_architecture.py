"""The package is built in one direction: no import runs from a lower folder to a higher one, and none in a circle."""

from __future__ import annotations

import ast
import statistics
from collections import Counter
from pathlib import Path

import pytest

import newsreplay
from tests.scripts import script

architecture = script("architecture", folder="scripts")
PACKAGE = Path(newsreplay.__file__).parent
IMPORTS = architecture.imports(PACKAGE)


def test_no_import_runs_from_a_lower_folder_to_a_higher_one() -> None:
    assert [str(arrow) for arrow in IMPORTS if architecture.upward(arrow)] == []


def test_no_modules_import_one_another_in_a_circle() -> None:
    assert architecture.circles(IMPORTS) == []


def test_the_order_names_every_file_and_folder_at_the_top() -> None:
    top = {name.split(".")[1] for name in architecture.modules(PACKAGE) if "." in name}
    assert top == set(architecture.ORDER["newsreplay"])


@pytest.mark.parametrize("folder", list(architecture.ORDER)[1:])
def test_what_the_order_names_exists(folder: str) -> None:
    path = PACKAGE.joinpath(*folder.split(".")[1:])
    missing = [name for name in architecture.ORDER[folder] if not any(path.glob(f"{name}*"))]
    assert missing == []


def test_an_upward_import_and_a_circle_are_found() -> None:
    arrow = architecture.Import
    assert architecture.upward(arrow("newsreplay.log.rows", "newsreplay.datasets.store"))
    assert architecture.upward(arrow("newsreplay.simulator.judgement.judge", "newsreplay.simulator.runs.paths"))
    assert architecture.upward(arrow("newsreplay.simulator.run", "newsreplay"))
    assert not architecture.upward(arrow("newsreplay.datasets.store", "newsreplay.log.rows"))
    ring = [arrow("a", "b"), arrow("b", "c"), arrow("c", "a"), arrow("c", "d")]
    assert architecture.circles(ring) == [["a", "b", "c"]]
    assert architecture.circles(ring[:2]) == []


# --- sizes ----------------------------------------------------------------------------------------------

KERNELS = {"kernel", "routine", "compiled"}  # decorators
LONGEST_FILE, LONGEST_FUNCTION, MOST_PARAMETERS, MOST_ANY = 500, 60, 8, 150
TREES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> list[tuple[Path, Function]]:
    return [(path, node) for path, tree in TREES.items() for node in ast.walk(tree) if isinstance(node, Function)]


def decorators(function: Function) -> set[str]:
    return {ast.unparse(node).split("(")[0].rsplit(".", 1)[-1] for node in function.decorator_list}


def is_command(path: Path, function: Function) -> bool:
    return path.parent.name == "commands" and "command" in decorators(function)


def test_no_file_is_too_long_to_be_read() -> None:
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in TREES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_too_long_but_kernels_that_say_why() -> None:
    long = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}"
        for path, node in functions()
        if node.end_lineno is not None
        and node.end_lineno - node.lineno >= LONGEST_FUNCTION
        and not (decorators(node) & KERNELS and "is one function" in (ast.get_docstring(node) or ""))
    ]
    assert long == []


def test_no_function_has_too_many_parameters() -> None:
    many = [
        f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}"
        for path, node in functions()
        if len([a for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs) if a.arg != "self"])
        > MOST_PARAMETERS
        and not (path.name == "api.py" and node.name == "run")
        and not is_command(path, node)
    ]
    assert many == []


def test_functions_stay_short() -> None:
    assert statistics.median((node.end_lineno or 0) - node.lineno + 1 for _, node in functions()) <= 8


def test_no_class_name_stands_twice_in_the_package() -> None:
    names = Counter(node.name for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert [name for name, count in names.items() if count > 1] == []


def test_types_are_written_out_outside_kernels() -> None:
    count = 0
    for tree in TREES.values():
        inside = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, Function) and decorators(node) & KERNELS
            for inner in ast.walk(node)
        }
        count += sum(isinstance(n, ast.Name) and n.id == "Any" and id(n) not in inside for n in ast.walk(tree))
    assert count <= MOST_ANY
