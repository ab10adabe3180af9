"""What is fetched is prepared, and on a terminal fetching is offered where a name means public data."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import newsreplay.datasets.sources.mind.plan  # noqa: F401 - its kernels look up their folder now, not in a test's own home
from newsreplay.cli import main
from newsreplay.commands import getting
from newsreplay.datasets import find_data
from newsreplay.datasets.fetching.sources import SOURCES, Remote, Source
from tests.commands.conftest import MIND

NEWS = "".join(f"N{n}\tnews\tlocal\tTitle {n}\t\thttp://x\t[]\t[]\n" for n in (1, 2, 9))
TERMS = "Do you accept these terms?"

pytestmark = pytest.mark.usefixtures("empty_home", "sources")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server of a small archive."""
    (tmp_path / "site").mkdir()
    with zipfile.ZipFile(tmp_path / "site" / "train.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("behaviors.tsv", MIND)
        archive.writestr("news.tsv", NEWS)
    monkeypatch.setenv("no_proxy", "*")
    server = HTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(tmp_path / "site")))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/train.zip"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sources(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of MIND comes from there."""
    file = Remote(site, unpack=True)
    for size in ("demo", "small", "large"):
        source = Source("mind", f"MIND {size}", "No resale.", "https://terms.example/", files=(file,))
        monkeypatch.setitem(SOURCES, f"mind-{size}", source)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getting, "on_terminal", lambda: True)


def call(*words: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, words, input=typed)


def test_what_was_fetched_is_prepared_under_its_own_name(empty_home: Path) -> None:
    result = call("data", "fetch", "mind-small", "--yes")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "now run: newsreplay run --data mind-small"
    dataset = find_data("mind-small")
    assert (dataset.folder, dataset.card["kind"]) == (empty_home / "data" / "mind-small", "mind")
    assert dataset.card["reads"] == 4


def test_fetching_alone_says_how_to_prepare(empty_home: Path) -> None:
    result = call("data", "fetch", "mind-small", "--yes", "--no-prepare")
    path = empty_home / "raw" / "mind-small" / "train"
    assert result.stdout.splitlines()[-1] == f"now run: newsreplay data prepare mind {path} --name mind-small"
    assert (path / "behaviors.tsv").read_text() == MIND
    assert not (empty_home / "data").exists()


@pytest.mark.parametrize(
    ("name", "typed", "raw", "called"),
    [
        ("mind-small", "y\n", "mind-small", "mind-small"),
        ("MIND_small", "y\n", "mind-small", "mind-small"),
        ("mind", "\ny\n", "mind-demo", "mind"),
        ("mind", "mind-large\ny\n", "mind-large", "mind"),
    ],
)
@pytest.mark.usefixtures("terminal")
def test_on_a_terminal_what_is_not_prepared_is_fetched_and_prepared_as_it_was_called(
    empty_home: Path, name: str, typed: str, raw: str, called: str
) -> None:
    result = call("data", "describe", name, typed=typed)
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith(f"{name!r} is not prepared yet.")
    for words in ("No resale.", "https://terms.example/", f"It can be fetched now, and prepared as {called}.", TERMS):
        assert words in result.stderr
    assert (empty_home / "raw" / raw).is_dir()
    assert [path.name for path in (empty_home / "data").iterdir() if path.name[0] != "."] == [called]
    assert result.stdout == call("data", "describe", called).stdout


@pytest.mark.usefixtures("terminal")
def test_a_run_goes_on_with_what_was_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []

    def stop(*args: Any, **options: Any) -> None:
        found.append(args[0].name)
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("newsreplay.api.run", stop)
    result = call("run", "--data", "mind-small", "--recommenders", "recency", typed="y\n")
    assert found == ["mind-small"], result.output


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
def test_terms_that_are_not_accepted_fetch_nothing(empty_home: Path, typed: str) -> None:
    result = call("data", "describe", "mind-small", typed=typed)
    assert result.exit_code == 1
    assert TERMS in result.stderr
    assert not (empty_home / "raw").exists()


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("words", [("globo",), ("plista",), ("nowhere",), ("mind-small", "--impressions", "sampled")])
def test_what_is_got_by_hand_or_needs_options_is_not_offered(words: tuple[str, ...]) -> None:
    result = call("data", "describe", *words, typed="y\n")
    assert result.exit_code == 1
    assert TERMS not in result.output
    assert result.stderr.startswith("Error: ")


def test_in_a_pipe_nothing_is_offered(empty_home: Path) -> None:
    result = call("run", "--data", "mind-small", "--recommenders", "recency", typed="y\n")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: 'mind-small' is not prepared yet. To fetch it, or to be told how,")
    assert TERMS not in result.output
    assert not (empty_home / "raw").exists()


def test_a_terminal_is_one_that_is_read_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stdin, stderr in ((Terminal(), io.StringIO()), (io.StringIO(), Terminal()), (Terminal(), Terminal())):
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr("sys.stderr", stderr)
        assert getting.on_terminal() == (stdin.isatty() and stderr.isatty())
