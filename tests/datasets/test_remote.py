"""Data at addresses: what lies in buckets and on the web is read as the same files here are."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import time
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import fs, parquet

import newsreplay.datasets.sources.mind.plan
import newsreplay.datasets.sources.table.plan  # noqa: F401
from newsreplay.datasets import find_data, leftovers, prepare_data
from newsreplay.datasets.remote.address import local_path, parse, without_secrets
from newsreplay.datasets.store import Dataset
from newsreplay.errors import DataError
from tests.buckets import LATER, Server, serving

HEAD = "time,user,item\n"
ROWS = [f"2020-01-0{day}T00:0{n}:00Z,u{n % 3},{'abcd'[n * day % 4]}\n" for day in (1, 2) for n in range(8)]
MIND = "1\tU1\t11/9/2019 9:00:00 AM\tN9\tN1-1 N2-0\n2\tU1\t11/9/2019 9:05:00 AM\tN9\tN2-1 N1-0\n"
NEWS = "".join(f"N{n}\tnews\tlocal\tTitle {n}\t\thttp://x\t[]\t[]\n" for n in (1, 2, 9))
SECRETS = ("AKIAKEY", "s3cr3t", "sig9ature")

Put = Callable[[str, bytes], None]
pytestmark = pytest.mark.usefixtures("empty_home", "environment")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials, and no way to ask for any."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(scope="module")
def _server() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def server(_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server of `tests.buckets`, empty, as the store of all buckets."""
    _server.forget()
    monkeypatch.setenv("AWS_ENDPOINT_URL", _server.url)
    return _server


@pytest.fixture(scope="module")
def _moto() -> Iterator[str]:
    program = shutil.which("moto_server")
    if program is None:
        pytest.skip("moto_server is not installed (pipx install 'moto[server]'; its needs are not those of newsreplay)")
    with serving() as free:
        port = free.port
    with subprocess.Popen([program, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
        process.terminate()


@pytest.fixture(params=["tests.buckets", "moto"])
def put(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Puts an object into the bucket `news` of a store."""
    if request.param == "tests.buckets":
        server: Server = request.getfixturevalue("server")
        return lambda key, data: server.put(f"news/{key}", data)
    url: str = request.getfixturevalue("_moto")
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):  # it shows objects to nobody without
        monkeypatch.setenv(name, "anyone")
    urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", b"", method="POST"), timeout=20).close()

    def send(path: str, data: bytes = b"") -> None:
        headers = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(f"{url}/news{path}", data, headers, method="PUT")
        urllib.request.urlopen(request, timeout=20).close()

    send("")
    return lambda key, data: send("/" + key.replace("%", "%25"), data)


def parts(folder: str, ending: str = "csv") -> dict[str, bytes]:
    """Eight part files."""
    texts = {f"{folder}/part-{n}.csv": HEAD + "".join(ROWS[2 * n : 2 * n + 2]) for n in range(8)}
    if ending == "csv":
        return {name: text.encode() for name, text in texts.items()}
    tables = {}
    for name, text in texts.items():
        rows = [line.split(",") for line in text.splitlines()[1:]]
        sink = pa.BufferOutputStream()
        parquet.write_table(pa.table(dict(zip(("time", "user", "item"), zip(*rows, strict=True), strict=True))), sink)
        tables[name.replace(".csv", ".parquet")] = sink.getvalue().to_pybytes()
    return tables


HIVE = {
    f"shop/publisher={p}/date=2020-01-0{d}/part%20{d}.csv": (HEAD + "".join(ROWS)).encode()
    for p in "xy"
    for d in (1, 2)
}
STRAY = {"shop/_SUCCESS": b"", "shop/_temporary/part-9.csv": b"x" * 10**5, "shop/readme.md": b"#", "shop/.x.crc": b"1"}
FORMS = {
    "partitions": ("shop", HIVE),
    "strays": ("shop", HIVE | STRAY),
    "part files": ("week/clicks", parts("week/clicks", "parquet")),
    "reads and articles": (
        "both",
        {"both/reads.csv": (HEAD + "".join(ROWS)).encode(), "both/articles.csv": b"item,category\na,sport\n"},
    ),
    "a pattern": ("week/*/part-[0-3].csv", parts("week/monday") | parts("week/sunday") | {"week/notes.csv": b"x"}),
    "any folders": ("week/**/part-*.csv", parts("week/a/b") | {"week/a/other.csv": b"x"}),
    "one file": ("week/clicks.csv.gz", {"week/clicks.csv.gz": gzip.compress((HEAD + "".join(ROWS)).encode(), mtime=0)}),
    "mind": ("mind", {"mind/train/behaviors.tsv": MIND.encode(), "mind/train/news.tsv": NEWS.encode()}),
}


def here(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def facts(dataset: Dataset) -> dict[str, object]:
    """All of a card but where the data come from."""
    return {name: value for name, value in dataset.card.items() if name != "options"}


def error_of(address: str, **options: object) -> str:
    with pytest.raises(DataError) as caught:
        find_data(address, **options)  # type: ignore[arg-type]
    whole = "".join(traceback.format_exception(caught.value))
    assert not [secret for secret in SECRETS if secret in whole]
    return str(caught.value)


def clicks(server: Server, key: str = "news/clicks.csv") -> None:
    server.put(key, HEAD + "".join(ROWS))


# --- the same data ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_what_lies_in_a_bucket_is_prepared_as_the_same_files_are(
    put: Put, tmp_path: Path, empty_home: Path, form: str
) -> None:
    path, files = FORMS[form]
    kind = "mind:" if form == "mind" else ""
    for key, data in files.items():
        put(key, data)
    local = find_data(f"{kind}{here(tmp_path / 'news', files)}/{path}")
    remote = find_data(f"{kind}s3://news/{path}")
    assert facts(remote) == facts(local)
    assert local.folder != remote.folder
    assert remote.card["options"] == {"path": f"s3://news/{path}"}
    assert [left.name for left in (empty_home / "prepared").glob(".*")] == []


class _AsGoogle:
    """pyarrow's stand-in for Google's store: its own of S3, at the test's server."""

    def __init__(self, server: Server) -> None:
        self.server, self.asked = server, dict[str, object]()

    def __call__(self, **options: object) -> fs.FileSystem:
        self.asked = options
        host = f"127.0.0.1:{self.server.port}"
        return fs.S3FileSystem(anonymous=True, endpoint_override=host, scheme="http", region="us-east-1")


def test_buckets_of_google_are_read_in_the_same_way(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    google = _AsGoogle(server)
    monkeypatch.setattr(fs, "GcsFileSystem", google)
    for key, data in HIVE.items():
        server.put(f"news/{key}", data)
    assert find_data("gs://news/shop").card["digest"] == find_data("s3://news/shop").card["digest"]
    assert google.asked["anonymous"] is True
    (tmp_path / "application_default_credentials.json").touch()
    server.refused.add("news")
    assert "gs://news/shop is refused with the credentials that there are" in error_of("gs://news/shop")
    assert google.asked["anonymous"] is False


def test_what_lies_on_the_web_is_prepared_as_the_same_file_is(server: Server, tmp_path: Path) -> None:
    data = gzip.compress((HEAD + "".join(ROWS)).encode(), mtime=0)
    server.put("logs/clicks of may.csv.gz", data)
    (tmp_path / "clicks of may.csv.gz").write_bytes(data)
    remote = find_data(f"table:{server.url}/logs/clicks%20of%20may.csv.gz")
    assert facts(remote) == facts(find_data(tmp_path / "clicks of may.csv.gz"))
    assert remote.card["options"] == {"path": f"{server.url}/logs/clicks%20of%20may.csv.gz"}


def test_a_bucket_may_be_all_of_a_table(server: Server) -> None:
    clicks(server, "news/a.csv")
    clicks(server, "news/b.csv")
    assert find_data("s3://news").card["reads"] == find_data("s3://news/").card["reads"] == 2 * len(ROWS)
    assert find_data("s3://news/*.csv").publishers == ["news"]


def test_an_address_can_be_prepared_under_a_name(server: Server) -> None:
    clicks(server)
    assert prepare_data("table", "s3://news/clicks.csv").folder.name == "clicks"
    assert prepare_data("table", "s3://news/clicks.csv", name="mine").card["options"] == {
        "path": "s3://news/clicks.csv"
    }
    assert find_data("mine").card["reads"] == len(ROWS)


def test_only_what_is_read_is_copied(server: Server) -> None:
    for key, data in (HIVE | STRAY).items():
        server.put(f"news/{key}", data)
    find_data("s3://news/shop")
    assert sorted(server.reads()) == sorted(f"news/{key}" for key in HIVE)
    server.asked.clear()
    server.put("news/shop/articles.csv", "item\na\n")
    find_data("s3://news/shop/publisher=x/*/*.csv")
    assert sorted(server.reads()) == sorted(f"news/{key}" for key in HIVE if "publisher=x" in key)


def test_a_delta_table_is_refused_before_it_is_copied(server: Server) -> None:
    server.put("news/shop/part-0.parquet", b"x")
    server.put("news/shop/_delta_log/00.json", b"{}")
    assert "shop is a Delta table" in error_of("s3://news/shop")
    assert server.reads() == []


def test_a_zip_in_a_folder_is_looked_into(server: Server, tmp_path: Path) -> None:
    here(tmp_path / "in", {"clicks.csv": (HEAD + "".join(ROWS)).encode()})
    shutil.make_archive(str(tmp_path / "out"), "zip", tmp_path / "in")
    server.put("news/shop/monday.zip", (tmp_path / "out.zip").read_bytes())
    assert find_data("s3://news/shop").card["reads"] == len(ROWS)


# --- found again ------------------------------------------------------------------------------------------


def test_what_is_prepared_is_found_again_without_copying(server: Server) -> None:
    for key, data in HIVE.items():
        server.put(f"news/{key}", data)
    clicks(server)
    first = [find_data(address).folder for address in ("s3://news/shop", f"{server.url}/news/clicks.csv?id=1")]
    server.asked.clear()
    assert find_data("s3://news/shop/").folder == first[0]
    assert server.reads() == []
    signed = f"{server.url}/news/clicks.csv?id=1&X-Amz-Signature=2&X-Amz-Date=3"
    assert find_data(signed).folder == first[1]
    assert server.reads() == ["news/clicks.csv"]  # which is asked for, and not read to its end
    assert find_data(f"{server.url}/news/clicks.csv?id=2").folder != first[1]


def test_what_has_changed_is_prepared_again(server: Server) -> None:
    for key in ("news/shop/a.csv", "news/shop/b.csv", "news/clicks.csv"):
        clicks(server, key)
    addresses = ("s3://news/shop", "s3://news/clicks.csv", f"{server.url}/news/clicks.csv")
    first = [find_data(address) for address in addresses]
    for key in ("news/shop/b.csv", "news/clicks.csv"):
        server.put(key, HEAD + "".join(ROWS).replace(",d", ",e"), date=LATER)
    second = [find_data(address) for address in addresses]
    for old, new in zip(first, second, strict=True):
        assert old.card["digest"] != new.card["digest"]
    server.put("news/shop/c.csv", HEAD + ROWS[0])
    assert find_data("s3://news/shop").card["reads"] == 2 * len(ROWS) + 1


def test_what_a_server_tells_nothing_of_is_copied_each_time(server: Server) -> None:
    server.put("logs/clicks.csv", HEAD + "".join(ROWS), headers={"ETag": "", "Last-Modified": ""})
    said: list[str] = []
    address = f"{server.url}/logs/clicks.csv"
    assert find_data(address, report=said.append).folder != find_data(address).folder
    assert any("does not say whether the file has changed" in line for line in said)


# --- copies that fail -------------------------------------------------------------------------------------


def test_an_interrupted_copy_is_taken_up_where_it_stopped(server: Server, empty_home: Path) -> None:
    for n in range(3):
        clicks(server, f"news/shop/{n}.csv")
    server.torn.add("news/shop/1.csv")
    assert error_of("s3://news/shop").startswith("s3://news/shop: its store cannot be reached (NETWORK_CONNECTION ")
    (left,) = leftovers()
    whole = sorted(path.name for path in left.folder.rglob("*.csv") if path.stat().st_size)
    assert "1.csv" not in whole
    server.torn.clear()
    server.asked.clear()
    assert find_data("s3://news/shop").card["reads"] == 3 * len(ROWS)
    assert sorted(server.reads()) == [f"news/shop/{n}.csv" for n in range(3) if f"{n}.csv" not in whole]
    assert leftovers() == []


def test_half_a_file_that_a_killed_copy_left_is_not_read(server: Server, empty_home: Path) -> None:
    clicks(server, "news/shop/a.csv")
    server.put("news/shop/b.csv", "a,b\n1,2\n", date=LATER)
    assert "no column" in error_of("s3://news/shop")
    (left,) = leftovers()
    shop = left.folder / "shop"
    assert sorted(path.name for path in shop.iterdir()) == ["a.csv", "b.csv"]
    (shop / "a.csv").write_bytes((shop / "a.csv").read_bytes()[:40])
    (shop / "c.csv.77.part").write_text(HEAD + ROWS[0])
    (shop / "c.csv").write_text(HEAD + ROWS[0])
    server.asked.clear()
    assert "no column" in error_of("s3://news/shop")
    assert server.reads() == ["news/shop/a.csv"]
    assert sorted(path.name for path in shop.iterdir()) == ["a.csv", "b.csv"]
    assert (shop / "a.csv").read_bytes() == server.kept["news/shop/a.csv"].data


def test_a_file_of_another_size_than_listed_is_not_taken(server: Server) -> None:
    clicks(server, "news/shop/a.csv")
    server.kept["news/shop/a.csv"].listed = 5
    assert "it was listed with 5; it may have changed meanwhile" in error_of("s3://news/shop")


def test_room_is_asked_for_before_anything_is_copied(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    clicks(server)
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    error = error_of("s3://news/clicks.csv")
    assert "0.0 GB are free and 0.1 GB are needed; make room, or set NEWSREPLAY_HOME" in error
    assert server.reads() == []
    assert leftovers() == []


# --- errors -----------------------------------------------------------------------------------------------


def test_errors_and_rejects_name_the_address_and_never_the_copy(server: Server, empty_home: Path) -> None:
    server.put("news/noon.csv", HEAD + "noon,ann,a\n")
    server.put("news/odd/a.csv", "a,b\n1,2\n")
    server.put("news/some.csv", HEAD + ROWS[0] + "noon,ann,a\n")
    assert error_of("s3://news/noon.csv").startswith("s3://news/noon.csv: none of 1 rows is a usable read")
    assert error_of("mind:s3://news/odd").startswith("s3://news/odd: found a.csv. Expected a folder with behaviors.tsv")
    assert error_of("adressa:s3://news/odd/a.csv").startswith("s3://news/odd/a.csv")
    assert error_of("s3://news/odd/*.tsv").startswith("s3://news/odd/*.tsv: ")
    said: list[str] = []
    dataset = find_data("s3://news/some.csv", report=said.append)
    assert (dataset.folder / "rejects.csv").read_text().splitlines()[1].startswith("some.csv,3,")
    for text in (*said, *(path.read_text("utf-8", "replace") for path in dataset.folder.rglob("*") if path.is_file())):
        assert ".work-" not in text
    assert said[0] == "copying s3://news/some.csv: 1 file, 0.0 MB"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://nowhere/clicks", "s3://nowhere/clicks: there is no bucket 'nowhere'; look at its name, and set AWS_"),
        ("s3://news/nothing", "s3://news/nothing: nothing lies there"),
        ("s3://news/nothing/*.csv", "s3://news/nothing/*.csv: nothing lies there"),
        ("s3://", "s3:// names no bucket"),
        ("s3://*/clicks", "s3://*/clicks names no bucket"),
        ("https://", "https:// names no host"),
        ("s3://news/clicks.csv?region=x&token=s3cr3t", "s3://news/clicks.csv has 'token' after its question mark"),
        ("gs://AKIAKEY:s3cr3t@news/clicks", "gs://news/clicks: such an address has no user"),
        ("ftp://AKIAKEY:s3cr3t@host/clicks.csv", "ftp://host/clicks.csv: there are no such addresses; they are like"),
        (
            "odd one:https://AKIAKEY:s3cr3t@host/x?sig9ature",
            "there is no data set and no file 'odd one:https://host/x'",
        ),
        ("s3://AKIAKEY:s3cr3t/x@news/clicks", "s3://news/clicks: nothing lies there"),
        ("s3://news/x\ny", "has characters that no address has"),
    ],
)
def test_an_address_at_which_nothing_lies_is_said(server: Server, address: str, message: str) -> None:
    server.put("news/other", b"")
    assert message in error_of(address)


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("", "s3://news/clicks.csv is refused without credentials, if it is there (ACCESS_DENIED"),
        ("AKIAKEY:s3cr3t%2F@", "s3://news/clicks.csv is refused with the credentials that there are (ACCESS_DENIED"),
    ],
)
def test_what_is_refused_says_how_to_give_credentials(server: Server, user: str, message: str) -> None:
    clicks(server)
    server.refused.add("news")
    error = error_of(f"s3://{user}news/clicks.csv")
    assert error.startswith(message)
    assert "with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; another store than Amazon's" in error


def test_credentials_are_those_of_the_environment_or_of_the_address_or_none(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    clicks(server)

    def signers(address: str) -> set[str]:
        server.asked.clear()
        find_data(address)
        headers = [headers.get("authorization", "") for _, _, headers in server.asked]
        return {header.partition("Credential=")[2].partition("/")[0] for header in headers}

    assert signers("s3://news/clicks.csv") == {""}
    assert signers("s3://AKIAKEY:s3cr3t@news/clicks.csv") == {"AKIAKEY"}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert signers("s3://news/clicks.csv") == {"AKIAOTHER"}


def test_a_store_is_named_by_the_address_too(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    clicks(server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert "s3://news/clicks.csv: its store cannot be reached (NETWORK_CONNECTION" in error_of("s3://news/clicks.csv")
    where = f"endpoint_override=127.0.0.1:{server.port}&scheme=http&region=eu-west-1"
    assert find_data(f"s3://news/clicks.csv?{where}").card["options"] == {"path": "s3://news/clicks.csv"}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("logs/none.csv", "the server no longer has it (status 404); get the file in another way and give its path"),
        ("logs/private.csv", "the server refuses it (status 403)"),
        ("logs/page.csv", "the server sends a web page, not the file; it may want a login"),
        ("logs/", "names no file; on the web, only single files can be named"),
        ("logs/up%2F..%2Fx.csv", "which cannot be the name of a file here"),
    ],
)
def test_a_file_that_a_server_does_not_give_is_said(server: Server, path: str, message: str) -> None:
    server.put("logs/page.csv", "<html>", headers={"Content-Type": "text/html"})
    server.put("logs/up/../x.csv", HEAD)
    server.refused.add("logs/private.csv")
    host = server.url.replace("//", "//AKIAKEY:s3cr3t@")
    error = error_of(f"{host}/{path}?sig9ature=1#sig9ature")
    assert error.startswith(f"{server.url}/{path}")
    assert message in error
    assert "server cannot be reached" in error_of("http://127.0.0.1:9/clicks.csv")


def test_blanks_and_letters_of_all_languages_may_stand_in_an_address(server: Server) -> None:
    clicks(server, "logs/clicks of mai é.csv")
    query = "?a=s3cr3t é&b=sig9ature%20x"
    assert find_data(f"{server.url}/logs/clicks of mai é.csv{query}").card["reads"] == len(ROWS)
    assert server.asked[0][1].endswith("?a=s3cr3t%20%C3%A9&b=sig9ature%20x")
    assert "(status 404)" in error_of(f"{server.url}/logs/none é.csv{query}")
    assert "cannot be reached" in error_of(f"http://no host/none.csv{query}")
    assert "cannot be reached" in error_of(f"http://127.0.0.1:port/none.csv{query}")


def test_a_login_goes_to_its_own_server_alone(server: Server) -> None:
    clicks(server, "logs/clicks.csv")
    with serving() as first:
        first.moved["clicks.csv"] = f"{server.url}/logs/clicks.csv"
        find_data(f"{first.url.replace('//', '//ann:s3cr3t@')}/clicks.csv")
        assert all(headers["authorization"] == "Basic YW5uOnMzY3IzdA==" for _, _, headers in first.asked)
    assert server.asked
    assert not any("authorization" in headers for _, _, headers in server.asked)


HOSTILE = ["../evil.csv", "a/../../evil.csv", "/etc/evil.csv", "a//b.csv", "./a.csv", "x" * 300 + ".csv", ".."]


@pytest.mark.parametrize("key", HOSTILE)
@pytest.mark.parametrize("kind", ["", "adressa:"])
def test_a_name_that_leads_out_of_the_copy_is_refused(
    server: Server, empty_home: Path, tmp_path: Path, key: str, kind: str
) -> None:
    clicks(server, "news/shop/a.csv")
    clicks(server, f"news/shop/{key}")
    before = sorted(tmp_path.rglob("*"))
    error = error_of(f"{kind}s3://news/shop")
    assert "which cannot be the name of a file here, so nothing is copied" in error
    assert server.reads() == []
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_of_a_file_and_of_a_folder_is_refused(server: Server) -> None:
    clicks(server, "news/shop/a.csv")
    clicks(server, "news/shop/a.csv/b.csv")
    assert "'shop/a.csv' both as a file and as a folder" in error_of("s3://news/shop")


# --- addresses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://AKIAKEY:s3cr3t@news/clicks", "s3://news/clicks"),
        ("s3://AKIAKEY:s3/cr3t+@news/clicks", "s3://news/clicks"),
        ("s3://news/mail@home.csv", "s3://news/mail@home.csv"),
        ("s3://news/part-?.csv", "s3://news/part-?.csv"),
        ("s3://news/a#b.csv?region=eu", "s3://news/a#b.csv"),
        ("https://ann:p@ss@host:8080/a@b.csv?x=1#y", "https://host:8080/a@b.csv"),
        ("https://ann:p/w?d@host/x.csv", "https://host/x.csv"),
        ("HTTP://[::1]:80/x.csv?y", "http://[::1]:80/x.csv"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert parse(address).shown == shown
    assert without_secrets(f"--data=table:{address}") == f"--data=table:{shown}"
    assert not [word for word in ("AKIA", "cr3t", "ann", "p@ss", "x=1") if word in repr(parse(address))]


@pytest.mark.parametrize("host", ["", "localhost"])
def test_an_address_of_a_file_here_is_its_path(tmp_path: Path, host: str) -> None:
    path = tmp_path / "clicks of may.csv"
    path.write_text(HEAD + "".join(ROWS))
    address = f"file://{host}{tmp_path}/clicks%20of%20may.csv"
    assert find_data(address).folder == find_data(f"table:{address}").folder == find_data(path).folder
    assert prepare_data("table", address, name="may").card["options"] == {"path": str(path)}


def test_an_address_of_a_file_elsewhere_is_refused() -> None:
    assert error_of("file://server/clicks.csv") == (
        "file://server/clicks.csv is a file of another machine; copy it here and give its path"
    )
    assert "file:// names no file" in error_of("file://")
    assert local_path("file:///%C3%A9") == Path("/é")


def test_an_address_that_became_a_path_is_refused() -> None:
    with pytest.raises(DataError, match="s3:/news/clicks is a Path, which cannot hold an address: give it as a string"):
        find_data(Path("s3://news/clicks"))
