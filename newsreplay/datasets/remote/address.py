"""Addresses of data: `s3://bucket/path`, `gs://bucket/path`, `https://host/file`, and `file:///path`, which is a path.

They are text, since a `Path` has one slash for two. A user and a password (`user:password@`) and what follows a
question mark, as the signature of a link, are used and never shown nor written down: whatever is shown is
`Address.shown`.
"""

from __future__ import annotations

import glob
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

from newsreplay.errors import DataError

BUCKETS = ("s3", "gs")
WEB = ("http", "https")
FORMS = "s3://bucket/path, gs://bucket/path, https://host/file, http://host/file or file:///path"
_BEGIN = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_KEPT = "!$%&'()*+,/:;=?@[]~"  #: what may stand in an address as it is; all else is written with %
_HOST = re.compile(r"[^:]*(:\d*)?|\[[^]]*\](:\d*)?")
#: What signs a link for a while, by S3, Google or CloudFront: another signature is no other file.
_SIGNATURE = re.compile(
    r"x-(amz|goog)-.*|awsaccesskeyid|googleaccessid|key-pair-id|signature|policy|expires", re.IGNORECASE
)
#: What does so at Azure, beside `sig`.
_AZURE = frozenset(
    ("sig", "se", "st", "sp", "spr", "sv", "sr", "ss", "srt", "skoid", "sktid", "skt", "ske", "sks", "skv")
)


@dataclass(frozen=True)
class Address:
    """Where data lie."""

    scheme: str  #: one of `BUCKETS` or `WEB`
    place: str  #: bucket and path, or host and path, without a slash at the end
    user: str = field(default="", repr=False)  #: what stands before `@`
    query: str = field(default="", repr=False)  #: what stands after `?`

    @property
    def shown(self) -> str:
        """The address without what may be secret."""
        return f"{self.scheme}://{self.place}"

    @property
    def url(self) -> str:
        """The address of a file on the web as it is asked for; the user is not in it."""
        host, slash, path = self.place.partition("/")
        query = f"?{quote(self.query, _KEPT)}" if self.query else ""
        return f"{self.scheme}://{host}{slash}{quote(path, _KEPT)}{query}"

    @property
    def login(self) -> tuple[str, str] | None:
        """User and password, or a key and its secret."""
        if not self.user:
            return None
        name, _, password = self.user.partition(":")
        return unquote(name), unquote(password)

    @property
    def identity(self) -> str:
        """Equal for two addresses of the same data; one that is signed anew is the same."""
        pairs = parse_qsl(self.query, keep_blank_values=True)
        signed = _AZURE if any(name == "sig" for name, _ in pairs) else ()
        kept = [pair for pair in pairs if pair[0] not in signed and not _SIGNATURE.fullmatch(pair[0])]
        digest = hashlib.blake2b(repr(sorted(kept)).encode(), digest_size=12).hexdigest()
        return f"{self.shown} {digest}"

    @property
    def fixed(self) -> str:
        """The part of the place below which a pattern looks; all of it where it is none, as on the web."""
        if self.scheme in WEB:
            return self.place
        parts = self.place.split("/")
        first = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts))
        return "/".join(parts[:first])

    @property
    def name(self) -> str:
        """What the file or folder is called, or the one below which a pattern looks."""
        name = self.fixed.rpartition("/")[2]
        return unquote(name) if self.scheme in WEB else name


def is_address(text: str) -> bool:
    """Whether a text is an address and no path.

    >>> is_address("s3://bucket/clicks"), is_address("table:clicks.csv"), is_address("mind:s3://bucket/mind")
    (True, False, False)
    """
    return _BEGIN.match(text) is not None


def parse(text: str) -> Address:
    """An address taken apart. Raises `DataError`, which shows nothing secret.

    >>> parse("s3://key:secret@bucket/clicks/?region=eu-west-1").shown
    's3://bucket/clicks'
    """
    begin = _BEGIN.match(text)
    address = _split(text)
    if begin is None or address.scheme not in (*BUCKETS, *WEB):
        raise DataError(f"{address.shown}: there are no such addresses; they are like {FORMS}")
    if not address.fixed.partition("/")[0]:
        raise DataError(f"{address.shown} names no {'bucket' if address.scheme in BUCKETS else 'host'}")
    if any(c < " " or c == "\x7f" for c in text):
        raise DataError(f"{address.shown} has characters that no address has; copy it again")
    return address


def local_path(text: str) -> Path:
    """The path that a `file://` address means. Raises `DataError` where it is of another machine."""
    host, slash, path = text[len("file://") :].partition("/")
    if host.lower() not in ("", "localhost"):
        raise DataError(f"{without_secrets(text)} is a file of another machine; copy it here and give its path")
    if not slash:
        raise DataError("file:// names no file; write file:///path or the path alone")
    return Path(unquote(slash + path, errors="surrogateescape"))


def is_local(text: str) -> bool:
    """Whether an address is one of a file of this machine."""
    return text[: len("file://")].lower() == "file://"


def without_secrets(text: str) -> str:
    """A text in which the addresses are as they may be shown; one with a question mark is taken to end the text.

    >>> without_secrets("--data=table:https://ann:pass@host/clicks.csv?sig=1")
    '--data=table:https://host/clicks.csv'
    >>> without_secrets("trend,http://ann:pass@host:80/a,http://bob:word@host")
    'trend,http://host:80/a,http://host'
    """
    for begin in reversed(list(_BEGIN.finditer(text))):
        if not is_local(text[begin.start() :]):
            text = text[: begin.start()] + _split(text[begin.start() :]).shown
    return text


def _split(text: str) -> Address:
    scheme, _, rest = text.partition("://")
    scheme = scheme.lower()
    head = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # A password may have slashes of its own, which were to be written %2F: what is shown must not have them.
    cut = "@" in rest and not _HOST.fullmatch(head) and "@" not in head
    user, at, place = rest.rpartition("@") if cut else head.rpartition("@")
    place = place if cut else rest[len(user) + len(at) :]
    if scheme in WEB:
        place = place.partition("#")[0]
    mark = re.search(r"\?(?=[A-Za-z][\w.-]*=)" if scheme in BUCKETS else r"\?", place)
    place, query = (place[: mark.start()], place[mark.end() :]) if mark else (place, "")
    return Address(scheme, place.rstrip("/") if scheme in BUCKETS else place, user, query)
