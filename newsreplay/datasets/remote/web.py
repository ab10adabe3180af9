"""A single file on the web, by http or https."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from newsreplay.datasets.fetching.disk import LIMITS
from newsreplay.datasets.fetching.download import Download
from newsreplay.datasets.fetching.sources import Remote
from newsreplay.datasets.remote.address import Address
from newsreplay.datasets.remote.listing import ROOM, Listing, Stopped, Stored, Tell, checked
from newsreplay.errors import DataError


def list_web(address: Address, report: Callable[[str], None]) -> Listing:
    """The file at an address. Raises `DataError`.

    What the server tells of its version (ETag) and its last change tells it from others; of a server that tells
    neither, the file is another one each time.
    """
    if not address.name:
        raise DataError(f"{address.shown} names no file; on the web, only single files can be named")

    def copy(file: Stored, path: Path, tell: Tell, stop: threading.Event) -> None:
        def progress(what: str, done: int, total: int | None) -> None:
            if stop.is_set():
                raise Stopped
            tell(done)

        path.unlink(missing_ok=True)  # what is there is not this file, or nobody can say whether it is whole
        _download(address, path, file.size, report, progress).obtain()

    head = _download(address, Path(address.name), None, report).head()
    told = head.headers.get("ETag", ""), head.headers.get("Last-Modified", "")
    if not any(told):
        report(f"{address.shown}: the server does not say whether the file has changed, so it is copied anew each time")
        told = ("copied", str(time.time_ns()))
    file = Stored(address.name, head.length, told)
    return Listing(address, checked(address, [file], 1), copy)


def _download(
    address: Address,
    path: Path,
    size: int | None,
    report: Callable[[str], None],
    progress: Callable[[str, int, int | None], None] = lambda what, done, total: None,
) -> Download:
    return Download(
        Remote(address.url, size=size),
        path,
        address.shown,
        "get the file in another way and give its path",
        report,
        progress,
        time.sleep,
        LIMITS,
        address.login,
        ROOM,
    )
