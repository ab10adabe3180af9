"""Addresses on the command line: secrets in them are used, and nowhere to be found afterwards."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsreplay import machine
from newsreplay.datasets import remove_data
from tests.buckets import Server, serving
from tests.commands.conftest import CLICKS, Cli, complaint, info_of

SECRETS = ("AKIAKEY", "s3cr3t", "sig9ature", "czNjcjN0")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("no_proxy", "*")
    with serving() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        server.put("news/clicks.csv", CLICKS + "noon,A,ann,b\n")
        yield server


def leaks(*texts: str) -> list[str]:
    """Secrets in texts, and in all files of the current folder and of newsreplay's home."""
    files = [path for folder in (Path(), machine.home()) for path in folder.rglob("*") if path.is_file()]
    found = [f"{path}: {secret}" for path in files for secret in SECRETS if secret.encode() in path.read_bytes()]
    return found + [secret for text in texts for secret in SECRETS if secret in text]


@pytest.mark.parametrize("scheme", ["s3", "http"])
def test_secrets_of_an_address_are_shown_and_kept_nowhere(
    cli: Cli, server: Server, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    host = f"127.0.0.1:{server.port}/news" if scheme == "http" else "news"
    shown = f"{scheme}://{host}/clicks.csv"
    address = f"{scheme}://AKIAKEY:s3cr3t@{host}/clicks.csv" + (
        "?X-Amz-Signature=sig9ature" if scheme == "http" else ""
    )
    words = ("run", "--data", f"table:{address}", "--recommenders", "recency", "--out", "run")
    monkeypatch.setattr(sys, "argv", ["newsreplay", *words])
    result = cli(*words)
    assert result.exit_code == 0, result.output
    assert info_of("run")["command"] == f"newsreplay run --data table:{shown} --recommenders recency --out run"
    try:
        prepared = cli("data", "prepare", "table", address, "--name", "theirs")
        assert prepared.exit_code == 0, prepared.output
        described = cli("data", "describe", address)
        server.refused.add("news/clicks.csv")
        server.refused.add("news")
        refused = cli("data", "describe", address)
        assert shown in complaint(refused)
        assert leaks(*(done.output for done in (result, prepared, described, refused))) == []
    finally:
        remove_data("theirs")


def test_an_address_is_text_to_the_command_that_prepares(cli: Cli, server: Server) -> None:
    try:
        assert cli("data", "prepare", "table", "s3://news/clicks.csv", "--name", "theirs").exit_code == 0
        assert "theirs  table, 8 reads, 2 publishers" in cli("data", "list").stdout
        (machine.home() / "data" / "theirs" / "publishers" / "0" / "log" / "item.npy").unlink()
        again = "prepare it again: newsreplay data prepare table s3://news/clicks.csv --name theirs"
        assert again in complaint(cli("data", "describe", "theirs"))
    finally:
        remove_data("theirs")
