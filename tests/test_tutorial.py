"""The tutorial, followed line by line: its commands print what it shows."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from newsreplay.cli import main

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
BLOCK = re.compile(r"^```(sh|text|python)\n(.*?)^```$", re.M | re.S)


def printed(command: str) -> str:
    """What a command of the page prints."""
    name, *words = shlex.split(command)
    if name == "head":
        return "\n".join(Path(words[1]).read_text("utf-8").splitlines()[: -int(words[0])])
    assert name == "newsreplay"
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, (command, done.output)
    return done.stdout


def test_every_command_of_the_tutorial_prints_what_the_tutorial_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "examples" / "clicks.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    output, shown = "", 0
    for language, text in BLOCK.findall(PAGE):
        if language == "python":
            Path("mine.py").write_text(text)
        elif language == "sh":
            output = "\n".join(map(printed, text.splitlines()))
        else:
            lines = [line.rstrip() for line in output.splitlines()]
            at = -1
            for line in text.splitlines():
                if line != "…":
                    assert line in lines[at + 1 :], (line, output)
                    at = lines.index(line, at + 1)
                    shown += 1
    assert shown > 20


def test_the_tutorial_s_log_is_what_its_script_makes() -> None:
    sys.path.insert(0, str(ROOT))
    from scripts.example_clicks import clicks

    lines = (ROOT / "examples" / "clicks.csv").read_text("utf-8").splitlines()[1:]
    assert [tuple(line.split(",")) for line in lines] == clicks()
