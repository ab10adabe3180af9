"""What is no data at all: pipes, devices and sockets, at which a reader would wait for ever, and web pages."""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

from newsreplay.errors import DataError

_SORTS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_PAGE = (b"<!doctype html", b"<html")
_PAGES = (".html", ".htm", ".xhtml")  #: pages by name are nobody's data: a folder may hold them


def check_files(files: Iterable[Path]) -> None:
    """Refuse what is no plain file or folder, and a web page in place of data. Raises `DataError`.

    What does not exist or cannot be read is for the reader to say.
    """
    for file in files:
        try:
            mode = file.stat().st_mode
        except OSError:
            continue
        sort = _SORTS.get(stat.S_IFMT(mode))
        if sort is not None:
            raise DataError(f"{file} is {sort}, not a file: save what it brings as a file and name that")
        if stat.S_ISREG(mode) and file.suffix.lower() not in _PAGES and _begins_as_page(file):
            raise DataError(
                f"{file} is a web page, not data: what was saved is the page of a login, of an error or of the "
                "download itself; download the file again"
            )


def is_page(start: bytes) -> bool:
    """Whether what a file begins with is the beginning of a web page.

    >>> is_page(b"\\n<!DOCTYPE html><html>"), is_page(b"time,item")
    (True, False)
    """
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PAGE)


def _begins_as_page(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return is_page(stream.read(512))
    except OSError:
        return False
