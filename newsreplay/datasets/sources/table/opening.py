"""The bytes of a text table, without compression and as UTF-8."""

from __future__ import annotations

import lzma
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pyarrow as pa

from newsreplay.datasets.sources.table.files import File, members

BYTE_ORDERS = (b"\xff\xfe", b"\xfe\xff")  #: marks at the start of UTF-16


@contextmanager
def opened(file: File, begin: int = 0) -> Iterator[pa.NativeFile]:
    """A stream of a file from byte `begin` of its text on. Raises `OSError` where it is damaged."""
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(_unpacked(file, stack))
            if file.encoding != "utf-8":
                stream = stack.enter_context(pa.transcoding_input_stream(stream, file.encoding, "utf-8"))
            if file.is_stream:
                skipped = 0
                while skipped < begin and (data := stream.read(begin - skipped)):
                    skipped += len(data)
            else:
                stream.seek(begin)
            yield stream
        except UnicodeDecodeError as error:
            raise OSError(f"it is no {file.encoding} throughout ({error.reason})") from error
        except (lzma.LZMAError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
            raise OSError(str(error)) from error


def _unpacked(file: File, stack: ExitStack) -> pa.NativeFile:
    if file.compression == "xz":
        return pa.PythonFile(stack.enter_context(lzma.open(file.path)), "r")
    if file.compression == "zip":
        archive = stack.enter_context(zipfile.ZipFile(file.path))
        return pa.PythonFile(stack.enter_context(archive.open(members(archive)[0])), "r")
    stream = pa.OSFile(os.fsencode(file.path))
    return pa.CompressedInputStream(stream, file.compression) if file.compression else stream


def decoded(file: File) -> File:
    """A file with its encoding: UTF-16 if it begins with a mark of byte order, else UTF-8."""
    with opened(file) as stream:
        return file._replace(encoding="utf-16") if stream.read(2) in BYTE_ORDERS else file
