"""Files in buckets of Amazon S3 (or a store that speaks like it) and of Google Cloud Storage, by pyarrow.

Credentials are the environment's, or those of the address; where there are none, the store is asked without. A store
other than Amazon's is named by `AWS_ENDPOINT_URL`, or in the address: `s3://bucket/path?endpoint_override=host:9000`.
"""

from __future__ import annotations

import glob
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl

from pyarrow import fs

from newsreplay.datasets.fetching.disk import LIMITS
from newsreplay.datasets.remote.address import Address
from newsreplay.datasets.remote.listing import Listing, Stopped, Stored, Tell, checked
from newsreplay.errors import DataError
from newsreplay.files import written_whole

CHUNK = 8 << 20  #: bytes asked for at once
PATIENCE = 15  #: seconds in which a store must be reached
OPTIONS = ("region", "endpoint_override", "scheme")  #: what an address of S3 may say after its question mark
_AWS = (
    *("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
)
_REFUSED = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT_MATCH|EXPIRED_TOKEN|InvalidAccessKeyId|"
    r"ExpiredToken|PERMISSION_DENIED|UNAUTHENTICATED|HTTP response code: 40[13]|\b40[13]\b"
)
_UNREACHED = re.compile(r"NETWORK_CONNECTION|UNAVAILABLE|curlCode|CURL error|REQUEST_TIMEOUT")
_GIVE = {
    "s3": "with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; another store than Amazon's is named by "
    "AWS_ENDPOINT_URL, its region by AWS_REGION",
    "gs": "with 'gcloud auth application-default login', or GOOGLE_APPLICATION_CREDENTIALS",
}


class _Store(NamedTuple):
    """A file system of buckets, and what it is asked for."""

    files: fs.FileSystem
    address: Address
    signed: bool  #: with credentials

    @contextmanager
    def asked(self) -> Iterator[None]:
        """In here the store is asked; what it answers in place of data is raised as `DataError`."""
        try:
            yield
        except FileNotFoundError:
            raise DataError(f"{self.address.shown}: a file has gone meanwhile; run this again") from None
        except OSError as error:
            raise DataError(_why(str(error), self.address, self.signed)) from None


def list_bucket(address: Address, patterns: bool) -> Listing:
    """The files that an address of a bucket names: one, all of a folder, or, with `patterns`, those that may match.

    Raises `DataError`.
    """
    store = _store_of(address)
    with store.asked():
        found = store.files.get_file_info(address.place)
        if found.type == fs.FileType.File:
            return _listing(store, [found])
        pattern = found.type == fs.FileType.NotFound and patterns and glob.has_magic(address.place)
        base = address.fixed if pattern else address.place
        inside = store.files.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
    files = [info for info in inside if info.type == fs.FileType.File]
    if not files:
        raise DataError(_nothing(store))
    return _listing(store, files, is_pattern=pattern)


def _listing(store: _Store, infos: list[fs.FileInfo], is_pattern: bool = False) -> Listing:
    address = store.address
    base = address.fixed if is_pattern else address.place
    above = len(base) - len(base.rpartition("/")[2])
    files = [Stored(info.path[above:], info.size, (info.mtime_ns,)) for info in infos]

    def copy(file: Stored, path: Path, tell: Tell, stop: threading.Event) -> None:
        _copy(store, base[:above] + file.name, file, path, tell, stop)

    return Listing(address, checked(address, files, LIMITS.members), copy, is_pattern)


def _copy(store: _Store, place: str, file: Stored, path: Path, tell: Tell, stop: threading.Event) -> None:
    done = 0
    with store.asked():
        stream = store.files.open_input_stream(place, compression=None)
    with stream, written_whole(path) as work, work.open("wb") as out:
        while True:
            with store.asked():
                data = stream.read(CHUNK)
            if stop.is_set():
                raise Stopped
            if not data:
                break
            out.write(data)
            done += len(data)
            tell(done)
        if done != file.size:
            raise DataError(
                f"{store.address.shown}: {done:,} bytes of {file.name} came, and it was listed with {file.size:,}; "
                "it may have changed meanwhile: run this again"
            )


def _nothing(store: _Store) -> str:
    address = store.address
    bucket = address.place.partition("/")[0]
    with store.asked():
        there = bucket == address.place or store.files.get_file_info(bucket).type != fs.FileType.NotFound
    if there:
        return f"{address.shown}: nothing lies there; upper and lower case count. Look at the names in the bucket"
    return f"{address.shown}: there is no bucket {bucket!r}; look at its name{_elsewhere(address)}"


def _elsewhere(address: Address) -> str:
    return ", and set AWS_ENDPOINT_URL if it is not one of Amazon's" if address.scheme == "s3" else ""


# --- the store, and what it says -----------------------------------------------------------------------


def _store_of(address: Address) -> _Store:
    options = dict(parse_qsl(address.query, keep_blank_values=True))
    known = OPTIONS if address.scheme == "s3" else OPTIONS[1:]
    strange = [name for name in options if name not in known]
    if strange:
        raise DataError(
            f"{address.shown} has {strange[0]!r} after its question mark; there may be {', '.join(known)} (a question "
            "mark that stands for a letter is written [?] or *)"
        )
    return (_s3 if address.scheme == "s3" else _gcs)(address, options)


def _s3(address: Address, options: dict[str, str]) -> _Store:
    environment = os.environ.get
    endpoint = options.get("endpoint_override") or environment("AWS_ENDPOINT_URL_S3") or environment("AWS_ENDPOINT_URL")
    scheme, split, host = (endpoint or "").rpartition("://")
    login, bucket = address.login, address.place.partition("/")[0]
    signed = login is not None or _has_credentials()
    unsigned = _Store(fs.LocalFileSystem(), address, signed)  # for what is said where there is no store yet
    try:
        with unsigned.asked():
            region = options.get("region") or _region(bucket, bool(endpoint))
            files = fs.S3FileSystem(
                access_key=login[0] if login else None,
                secret_key=login[1] if login else None,
                anonymous=not signed,
                region=region,
                endpoint_override=host.rstrip("/") or None,
                scheme=options.get("scheme") or (scheme if split else "https"),
                connect_timeout=PATIENCE,
                retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=3),
            )
    except ValueError:  # says what it was given
        told = f"{address.shown}: its store cannot be asked as it is given"
        raise DataError(f"{told}; give credentials {_GIVE['s3']}") from None

    return _Store(files, address, signed)


def _region(bucket: str, elsewhere: bool) -> str:
    """The region of a bucket; another store than Amazon's has mostly none."""
    if elsewhere:
        return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    region: str = fs.resolve_s3_region(bucket)
    return region


def _has_credentials() -> bool:
    files = {"AWS_SHARED_CREDENTIALS_FILE": "credentials", "AWS_CONFIG_FILE": "config"}
    paths = [os.environ.get(name) or Path.home() / ".aws" / file for name, file in files.items()]
    return any(os.environ.get(name) for name in _AWS) or any(Path(path).is_file() for path in paths)


def _gcs(address: Address, options: dict[str, str]) -> _Store:
    if address.user:
        raise DataError(f"{address.shown}: such an address has no user; give credentials {_GIVE['gs']}")
    given = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    folder = os.environ.get("CLOUDSDK_CONFIG") or Path.home() / ".config" / "gcloud"
    signed = bool(given) or Path(folder, "application_default_credentials.json").is_file()
    files = fs.GcsFileSystem(
        anonymous=not signed,
        endpoint_override=options.get("endpoint_override"),
        scheme=options.get("scheme"),
        retry_time_limit=timedelta(seconds=PATIENCE),
    )
    return _Store(files, address, signed)


def _why(text: str, address: Address, signed: bool) -> str:
    """What is said of an error of a store; nothing secret is in it, whatever the store says."""
    shown, give = address.shown, _GIVE[address.scheme]
    for secret in filter(None, (address.user, address.query, *(address.login or ()))):
        text = text.replace(secret, "…")
    detail = re.sub(r"^.*?AWS Error ", "", text.partition("error_info=")[0]).strip()[:300]
    if _REFUSED.search(text):
        if signed:
            return f"{shown} is refused with the credentials that there are ({detail}); give others {give}"
        return f"{shown} is refused without credentials, if it is there ({detail}); give some {give}"
    if "Bucket" in text and "not found" in text:
        return f"{shown}: there is no such bucket; look at its name{_elsewhere(address)}"
    if _UNREACHED.search(text):
        return f"{shown}: its store cannot be reached ({detail}); look at the network{_elsewhere(address)}"
    return f"{shown} cannot be read: {detail}"
