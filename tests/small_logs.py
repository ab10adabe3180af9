"""Small valid logs in every format that can be prepared, written from the formats' descriptions.

Every log is made from one short story: some forty page views of five readers on two evenings. Fuzz tests damage them.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import random
import re
import tarfile
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

BEGIN = datetime(2019, 11, 9, 18, tzinfo=UTC)

Files = dict[str, bytes]  #: contents by path below the log's folder


class SmallLog(NamedTuple):
    """A log as files, and how it is given to its reader."""

    name: str
    kind: str
    files: Files
    path: str = ""  #: what is given, below the folder; "" = the folder itself
    pack: str = ""  #: how the files are packed: gz, bz2, tar.gz, tar or zip
    options: dict[str, Any] = {}  # noqa: RUF012  # never changed


class View(NamedTuple):
    """One page view of the story."""

    at: datetime
    user: int
    session: int
    item: int
    shown: list[int]
    clicked: list[int]

    @property
    def ms(self) -> int:
        return int(self.at.timestamp() * 1000)

    @property
    def s(self) -> int:
        return int(self.at.timestamp())


def story(views: int = 40) -> list[View]:
    """Page views in order of time; sessions are numbered from 1."""
    tell = random.Random(11)
    found, now = [], BEGIN
    for number in range(views):
        now += timedelta(seconds=tell.randrange(5, 900) if number != views // 2 else 80_000)
        user = tell.randrange(1, 6)
        shown = tell.sample(range(1, 13), 4)
        late = number >= views // 2
        found.append(View(now, user, user + 10 * late, tell.randrange(1, 13), shown, shown[: tell.randrange(3)]))
    return found


def lines(*rows: object) -> bytes:
    return "".join(f"{row}\n" for row in rows).encode()


def adressa() -> Files:
    def event(number: int, view: View) -> str:
        told: dict[str, Any] = {
            "eventId": number,
            "time": view.s,
            "userId": f"reader-{view.user}",
            "url": f"http://paper.test/{view.item}",
            "sessionStart": False,
            "profile": [{"item": "byen", "groups": [{"group": "place", "weight": 0.5}]}],
        }
        if number % 7:
            told |= {
                "id": f"{view.item:04x}",
                "title": f'Sak \u00e6 "{view.item}"',
                "publishtime": f"2019-11-0{1 + view.item % 8}T06:30:00.000Z",
                "category1": f"nyheter|by{view.item % 3}",
                "activeTime": number,
            }
        return json.dumps(told, ensure_ascii=number % 2 == 0)

    events = [event(number, view) for number, view in enumerate(story())]
    return {"20191109": lines(*events[:20]), "20191110": lines(*events[20:])}


def mind() -> Files:
    def behavior(number: int, view: View) -> str:
        shown = " ".join(f"N{item}-{int(item in view.clicked)}" for item in view.shown)
        clock = f"{view.at.month}/{view.at.day}/{view.at.year} {view.at:%I:%M:%S %p}".replace(" 0", " ")
        return f"{number}\tU{view.user}\t{clock}\tN{view.user} N{30 + view.user}\t{shown}"

    told = [behavior(number, view) for number, view in enumerate(story(), 1)]
    news = lines(
        *(
            f'N{item}\tnews\tnews{item % 3}\tTitle "{item}\tAbstract {item}\thttps://news.test/{item}\t'
            '[{"Label": "A", "Type": "P", "WikidataId": "Q7", "Confidence": 1.0}]\t[]'
            for item in range(1, 13)
        )
    )
    return {
        "small_train/behaviors.tsv": lines(*told[:20]),
        "small_train/news.tsv": news,
        "small_dev/behaviors.tsv": lines(*told[20:]),
        "small_dev/news.tsv": news,
    }


def mind_test() -> Files:
    """MIND with a test split, whose candidates carry no labels."""
    files = mind()
    dev = files["small_dev/behaviors.tsv"]
    unlabelled = re.sub(rb"(N\d+)-[01]", rb"\1", dev.replace(b"11/10", b"11/12"))
    return files | {"small_test/behaviors.tsv": unlabelled, "small_test/news.tsv": files["small_dev/news.tsv"]}


def nemig() -> Files:
    behaviors = [
        f"{number}\tU{view.user}\tnews_{20 + view.user}\t"
        + " ".join(f"news_{item}-{int(item in view.clicked)}" for item in view.shown)
        for number, view in enumerate(story())
    ]
    news = [f"news_{i}\ttopic {i % 3}\tneutral\tTitle {i}\tText {i}\thttp://a.test\t2019-01-01" for i in range(1, 13)]
    return {"behaviors.tsv": lines(*behaviors).replace(b"\n", b"\r\n"), "news.tsv": lines(*news)}


def pens() -> Files:
    def clock(at: datetime) -> str:
        return f"{at.month}/{at.day}/{at.year} {at:%I:%M:%S %p}".replace(" 0", " ")

    def visit(view: View) -> str:
        before = [view.at - timedelta(days=day) for day in (3, 2)]
        cells = [
            f"U{view.user}",
            f"N{20 + view.user} N{view.item}",
            "12 7",
            "#TAB#".join(map(clock, before)),
            " ".join(f"N{item}" for item in view.clicked),
            " ".join(f"N{item}" for item in view.shown if item not in view.clicked),
            clock(view.at - timedelta(minutes=9)),
            clock(view.at),
            " ".join(str(item) for item in view.clicked),
        ]
        return "\t".join(cells)

    header = "UserID\tClicknewsID\tdwelltime\texposure_time\tpos\tneg\tstart\tend\tdwelltime_pos"
    visits = [visit(view) for view in story()]
    news = [f'N{item}\tnews\tnews{item % 3}\t"The ""title"" {item}"\tBody {item}\t{{}}\t{{}}' for item in range(1, 13)]
    return {
        "train.tsv": lines(header, *visits[:25]),
        "valid.tsv": lines(header, *visits[25:]),
        "news.tsv": lines("News ID\tCategory\tTopic\tHeadline\tNews body\tTitle entity\tEntity content", *news),
        "personalized_test.tsv": lines("userid\tclicknewsID\tposnewID\trewrite_titles", "NT1\tN1,N2\tN3,N4\tA;;B"),
    }


def ebnerd() -> Files:
    ids = pa.list_(pa.int32())
    views = story()
    files = {}
    for split, some in (("train", views[:20]), ("validation", views[20:])):
        naive = [view.at.replace(tzinfo=None) for view in some]
        files[f"{split}/behaviors.parquet"] = parquet(
            impression_id=pa.array(range(len(some)), pa.uint32()),
            article_id=pa.array([view.item if view.user % 2 else None for view in some], pa.int32()),
            impression_time=pa.array(naive, pa.timestamp("us")),
            read_time=pa.array([3.5] * len(some), pa.float32()),
            article_ids_inview=pa.array([view.shown for view in some], ids),
            article_ids_clicked=pa.array([view.clicked for view in some], ids),
            user_id=pa.array([view.user for view in some], pa.uint32()),
            session_id=pa.array([view.session for view in some], pa.uint32()),
        )
        before = [[BEGIN.replace(tzinfo=None) - timedelta(days=day) for day in (3, 2)]] * 4
        files[f"{split}/history.parquet"] = parquet(
            user_id=pa.array(range(1, 5), pa.uint32()),
            impression_time_fixed=pa.array(before, pa.list_(pa.timestamp("us"))),
            article_id_fixed=pa.array([[1, 40], [2, 3], [41, 42], [5, 5]], ids),
        )
    items = range(1, 13)
    files["articles.parquet"] = parquet(
        article_id=pa.array(items, pa.int32()),
        title=pa.array([f"Titel {item}" for item in items]),
        subtitle=pa.array(["" for _ in items]),
        published_time=pa.array([datetime(2019, 11, 9, item) for item in items], pa.timestamp("us")),
        body=pa.array([f"Br\u00f8dtekst {item}" for item in items]),
        category_str=pa.array([f"kategori {item % 3}" for item in items]),
        category=pa.array([item % 3 for item in items], pa.int16()),
        subcategory=pa.array([[item] for item in items], pa.list_(pa.int16())),
        ner_clusters=pa.array([["Oslo", "Bergen"] for _ in items]),
        image_ids=pa.array([[item] for item in items], pa.list_(pa.int64())),
    )
    return files


def ebnerd_test() -> Files:
    """EB-NeRD with a test set beside it, whose clicks are withheld."""
    files = {f"ebnerd_small/{name}": data for name, data in ebnerd().items()}
    views = story()[20:]
    files["ebnerd_testset/test/behaviors.parquet"] = parquet(
        impression_id=pa.array([number % 15 for number in range(len(views))], pa.uint32()),
        impression_time=pa.array([v.at.replace(tzinfo=None) + timedelta(days=1) for v in views], pa.timestamp("us")),
        article_ids_inview=pa.array([view.shown for view in views], pa.list_(pa.int32())),
        user_id=pa.array([view.user for view in views], pa.uint32()),
        session_id=pa.array([view.session for view in views], pa.uint32()),
        is_beyond_accuracy=pa.array([number % 15 == 0 for number in range(len(views))]),
    )
    files["ebnerd_testset/articles.parquet"] = files["ebnerd_small/articles.parquet"]
    return files


def parquet(rows: int = 8, **columns: pa.Array) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, row_group_size=rows)
    return sink.getvalue()


def _message(view: View, kind: str) -> str:
    simple = {"25": view.item, "27": 100 + view.user % 2, "57": view.user, "39": 7, "24": 1}
    shown = view.clicked if kind == "click" else view.shown
    told = {"context": {"simple": simple, "lists": {"8": [1]}}, "recs": {"ints": {"3": shown}}, "timestamp": view.ms}
    return json.dumps(told | {"event_type": kind})


def _update(view: View) -> str:
    moment = f"{view.at - timedelta(days=1):%Y-%m-%d %H:%M:%S}"
    told = {"id": str(view.item), "domainid": str(100 + view.user % 2), "title": "Titel \u00fc", "text": "Text"}
    return json.dumps(told | {"img": None, "flag": 0, "created_at": moment, "updated_at": moment})


def newsreel(form: str) -> Files:
    """One of the three forms of a line: idomaar, plista, bare; or all of them mixed."""
    told = []
    for number, view in enumerate(story()):
        kind = "item_update" if number % 9 == 8 else "click" if view.clicked and number % 3 == 0 else "impression"
        text = _update(view) if kind == "item_update" else _message(view, kind)
        written = {
            "idomaar": f"{kind}\t{number}\t{view.ms}\t{text}\t{{}}\t",
            "plista": f"{kind}\t{text}\t{view.at:%Y-%m-%d %H:%M:%S},{number:03}",
            "bare": text,
        }
        told.append(written[form] if form in written else list(written.values())[number % 3])
    return {"messages.log": lines(*told)}


def deskdrop() -> Files:
    events = ("VIEW", "VIEW", "VIEW", "LIKE", "VIEW", "COMMENT CREATED", "VIEW")
    agent = '"Browser/5.0 (X11, like ""others"")"'
    return {
        "users_interactions.csv": lines(
            "timestamp,eventType,contentId,personId,sessionId,userAgent,userRegion,userCountry",
            *(
                f"{view.s},{events[number % 7]},-{90 + view.item}00000000000000001,{view.user},{view.session},"
                f"{agent if number % 2 else ''},MG,BR"
                for number, view in enumerate(story())
            ),
        ),
        "shared_articles.csv": lines(
            "timestamp,eventType,contentId,authorPersonId,authorSessionId,authorUserAgent,authorRegion,authorCountry,"
            "contentType,url,title,text,lang",
            *(
                f"{1573200000 + item},CONTENT SHARED,-{90 + item}00000000000000001,8,9,,,,HTML,http://a.test/{item},"
                f'"Title ""{item}"", it says","Two\nlines, {item}",en'
                for item in range(1, 13)
            ),
        ),
    }


def streamingrec(form: str) -> Files:
    """The framework's form, or plista's older one."""
    if form == "new":
        clicks = ["ItemID,UserId,TimeStamp", *(f"{view.item},{view.user},{view.ms}" for view in story())]
    else:
        clicks = ["Publisher,Category,ItemID,Cookie,Timestamp,keywords"]
        clicks += [f"{9 - v.user % 2},{v.item % 3},{v.item},{v.user % 5},{v.ms},a b" for v in story()]
    items = [
        f"{8 + item % 2},2019-11-08 {item:02}:10:00,{item},http://a.test,Title {item},{item % 3},Text of {item},a"
        for item in range(1, 13)
    ]
    return {"Clicks.csv": lines(*clicks), "Items.csv": lines("Publisher,CreatedAt,ItemID,URL,Title", *items)}


def globo() -> Files:
    header = (
        "user_id,session_id,session_start,session_size,click_article_id,click_timestamp,click_environment,"
        "click_deviceGroup,click_os,click_country,click_region,click_referrer_type"
    )
    clicks = [f"{view.user},{view.session},{view.ms},2,{view.item},{view.ms},4,3,20,1,20,2" for view in story()]
    articles = [f"{item},{item % 3},{1573200000000 + item},0,{item}" for item in range(1, 13)]
    return {
        "clicks/clicks_hour_000.csv": lines(header, *clicks[:20]),
        "clicks/clicks_hour_001.csv": lines(header, *clicks[20:]),
        "articles_metadata.csv": lines("article_id,category_id,created_at_ts,publisher_id,words_count", *articles),
    }


def tianchi() -> Files:
    header = "user_id,click_article_id,click_timestamp,click_environment,click_os"
    clicks = [f"{view.user},{view.item},{view.ms},4,17" for view in story()]
    articles = [f"{item},{item % 3},{1573200000000 + item},{item}" for item in range(1, 13)]
    return {
        "train_click_log.csv": lines(header, *clicks[:20]),
        "testA_click_log.csv": lines(header, *clicks[20:]),
        "articles.csv": lines("article_id,category_id,created_at_ts,words_count", *articles),
    }


def outbrain() -> Files:
    views = [f"u{view.user},{view.item},{view.ms - 1465876799998},1,US>NY>501,2" for view in story()]
    meta = [f"{item},7,{100 + item % 2},2019-11-08 {item:02}:00:00" for item in range(1, 13)]
    sure = [f"{item},{1000 + item % 3},0.92\n{item},1999,0.07" for item in range(1, 13)]
    return {
        "page_views_sample.csv": lines("uuid,document_id,timestamp,platform,geo_location,traffic_source", *views),
        "documents_meta.csv": lines("document_id,source_id,publisher_id,publish_time", *meta),
        "documents_categories.csv": lines("document_id,category_id,confidence_level", *sure),
        "documents_topics.csv": lines("document_id,topic_id,confidence_level", *sure),
    }


def table(delimiter: str) -> Files:
    """A folder of reads and articles, some of their cells quoted."""
    reads = [
        f'{view.at:%Y-%m-%dT%H:%M:%SZ};"reader ""{view.user}""";{view.session};a{view.item};sport' for view in story()
    ]
    articles = [f'a{item};2019-11-08T10:00:00Z;"Title; {item}"' for item in range(1, 13)]
    ending = {",": "csv", "\t": "tsv"}[delimiter]
    return {
        f"reads.{ending}": lines("time;user;session;item;category", *reads).replace(b";", delimiter.encode()),
        f"articles.{ending}": lines("item;published;title", *articles).replace(b";", delimiter.encode()),
    }


def table_of_numbers() -> Files:
    return {"reads.csv": lines("time,user,item", *(f"{view.s},{view.user},{view.item}" for view in story()))}


def table_of_parts() -> Files:
    """Part files in folders of days, whose dates have the day first, on days that show it."""
    views = [view._replace(at=view.at + timedelta(days=10)) for view in story()]
    parts = {"date=2019-11-09/part-0.csv": views[:9], "date=2019-11-10/part-0.csv": views[9:]}
    files = {
        name: lines("Timestamp;user_id;item_id", *(f"{v.at:%d/%m/%Y %H:%M:%S};{v.user};{v.item}.0" for v in part))
        for name, part in parts.items()
    }
    return files | {"_SUCCESS": b""}


def table_of_json() -> Files:
    reads = [
        f'{{"time": {view.ms}000, "user": "u{view.user}", "more": [{{"item": 1}}], "item": {view.item}}}'
        for view in story()
    ]
    articles = [f'{{"item": "{item}", "title": "\\u00e9 {item}", "published": null}}' for item in range(1, 13)]
    return {"reads.jsonl": lines(*reads), "articles.jsonl": lines(*articles)}


def table_in_utf16() -> Files:
    text = lines("time|session|item", *(f"{view.ms}|{view.session}|é{view.item}" for view in story())).decode()
    return {"reads.csv": text.encode("utf-16")}


def table_parquet() -> Files:
    views = story()
    return {
        "reads.parquet": parquet(
            time=pa.array([view.at for view in views], pa.timestamp("ms", "UTC")),
            user=pa.array([f"u{view.user}" for view in views]).dictionary_encode(),
            session=pa.array([view.session for view in views], pa.int64()),
            item=pa.array([f"a{view.item}" for view in views]),
            title=pa.array([f"Title {view.item}" for view in views]),
        )
    }


def small_logs() -> list[SmallLog]:
    """All formats and forms."""
    events, forms = adressa(), ("idomaar", "plista", "bare", "mixed")
    return [
        SmallLog("adressa", "adressa", events),
        SmallLog("adressa-day", "adressa", events, path="20191110"),
        SmallLog("adressa-gz", "adressa", events, pack="gz"),
        SmallLog("adressa-tar", "adressa", {f"one_week/{name}": data for name, data in events.items()}, pack="tar.gz"),
        SmallLog("deskdrop", "deskdrop", deskdrop()),
        SmallLog("ebnerd", "ebnerd", ebnerd()),
        SmallLog("ebnerd-test", "ebnerd", ebnerd_test()),
        SmallLog("globo", "globo", globo()),
        SmallLog("mind", "mind", mind()),
        SmallLog("mind-static", "mind", mind(), options={"history": "static"}),
        SmallLog("mind-test", "mind", mind_test()),
        SmallLog("nemig", "nemig", nemig(), options={"file_order": True}),
        *(SmallLog(f"newsreel-{form}", "newsreel", newsreel(form), path="messages.log") for form in forms),
        SmallLog("newsreel-zip", "newsreel", newsreel("mixed") | {"readme.txt": b"No log.\n"}, pack="zip"),
        SmallLog("newsreel-bz2", "newsreel", newsreel("idomaar"), pack="bz2"),
        SmallLog("outbrain", "outbrain", outbrain()),
        SmallLog("pens", "pens", pens()),
        SmallLog("streamingrec", "streamingrec", streamingrec("new")),
        SmallLog("streamingrec-plista", "streamingrec", streamingrec("plista")),
        SmallLog("table-csv", "table", table(",")),
        SmallLog("table-tsv", "table", table("\t"), path="reads.tsv"),
        SmallLog("table-gz", "table", table(","), pack="gz"),
        SmallLog("table-parts", "table", table_of_parts()),
        SmallLog("table-json", "table", table_of_json()),
        SmallLog("table-utf16", "table", table_in_utf16(), path="reads.csv"),
        SmallLog("table-bz2", "table", table(","), pack="bz2"),
        SmallLog("table-zip", "table", table_of_numbers(), pack="zip", path="log.zip"),
        SmallLog("table-numbers", "table", table_of_numbers(), path="reads.csv"),
        SmallLog("tianchi", "tianchi", tianchi()),
        SmallLog("table-parquet", "table", table_parquet(), path="reads.parquet"),
    ]


def packed(files: Files, pack: str) -> Files:
    """The files as they lie on the disk."""
    if pack == "gz":
        return {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in files.items()}
    if pack == "bz2":
        return {f"{name}.bz2": bz2.compress(data) for name, data in files.items()}
    return {f"log.{pack}": PACKERS[pack](files)} if pack else files


def _tarred(files: Files, mode: Any) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def _zipped(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.encode(errors="replace").decode(), data)  # zip files hold no other names
    return out.getvalue()


PACKERS: dict[str, Callable[[Files], bytes]] = {
    "tar": lambda files: _tarred(files, "w"),
    "tar.gz": lambda files: _tarred(files, "w:gz"),
    "zip": _zipped,
}
