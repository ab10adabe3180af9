"""The public data sets that can be downloaded: addresses, sizes, checksums, terms."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from newsreplay.errors import DataError, did_you_mean
from newsreplay.machine import home


def shown(url: str) -> str:
    """An address of the web without user, password and what follows a question mark, which may sign it.

    >>> shown("https://ann:pass@news.example:80/week.zip?signature=1#top")
    'https://news.example:80/week.zip'
    """
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


@dataclass(frozen=True)
class Remote:
    """A file to download. `size` (bytes) and `sha256` are exact and checked; `about` is a published rounded size."""

    url: str
    size: int | None = None
    about: int | None = None
    sha256: str | None = None
    unpack: bool = False

    @property
    def shown(self) -> str:
        """The address without what may be secret."""
        return shown(self.url)

    @property
    def name(self) -> str:
        """The file's name in the folder it is downloaded to."""
        return PurePosixPath(urlsplit(self.url).path).name

    @property
    def folder(self) -> str:
        """The name of the folder an archive is unpacked to.

        >>> Remote("https://news.example/data/week.tar.gz?download=1").folder
        'week'
        """
        return re.sub(r"\.(zip|tar|tgz|tar\.gz)$", "", self.name)


@dataclass(frozen=True)
class Source:
    """A public data set: what it is, on which terms, where, and the kind it is prepared as.

    `state` is how the addresses are known. Without `files`, `by_hand` is how the data can be had.
    """

    kind: str
    title: str
    terms: str
    page: str
    state: str = ""
    files: tuple[Remote, ...] = ()
    by_hand: str = ""


_ADRESSA_TERMS = """\
Non-commercial use only; others name CC BY-NC-SA 4.0, the terms on the page below hold.
Publications cite Gulla et al. (2017), The Adressa Dataset for News Recommendation."""
_MIND_TERMS = """\
Microsoft Research License Terms: non-commercial research, teaching and testing; results may be published,
the data or a substantial part of it may not be passed on. Publications cite Wu et al. (2020), MIND."""
_EBNERD_TERMS = """\
Ekstra Bladet's General License Terms. The page below shows them before it gives out the addresses: read and
accept them there first. Publications cite Kruse et al. (2024), EB-NeRD."""
_ADRESSA_STATE = """\
Address used by several projects up to 2026. The server's certificate is said to be faulty: where that stops the
download, fetch the file with a browser, put it into the folder and run this again."""
_MIND_STATE = """\
The first addresses (mind201910small and recodatasets at Azure) are closed. This is the copy that the Recommenders
project, once Microsoft's, keeps at Hugging Face: downloaded without a login by others in August 2026. The copy
that msnews.github.io names, huggingface.co/datasets/yjw1029/MIND, wants a login."""
_EBNERD_STATE = "Addresses as the page gives them out after accepting; others used them in August 2026."
_RECLAB = "http://reclab.idi.ntnu.no/dataset/"
_MIND = "https://huggingface.co/datasets/Recommenders/MIND/resolve/main/"
_EBNERD = "https://ebnerd-dataset.s3.eu-west-1.amazonaws.com/"
_MIND_PAGE = "https://github.com/msnews/MIND/blob/master/MSR%20License_Data.pdf"


def _mind(title: str, *files: Remote) -> Source:
    return Source("mind", title, _MIND_TERMS, _MIND_PAGE, _MIND_STATE, files)


def _ebnerd(size: str, about: int) -> Source:
    file = Remote(f"{_EBNERD}ebnerd_{size}.zip", about=about, unpack=True)
    page = "https://recsys.eb.dk/dataset/"
    return Source("ebnerd", f"EB-NeRD, {size}", _EBNERD_TERMS, page, _EBNERD_STATE, (file,))


def _adressa(title: str, file: Remote) -> Source:
    return Source("adressa", title, _ADRESSA_TERMS, "https://reclab.idi.ntnu.no/dataset/", _ADRESSA_STATE, (file,))


# Sizes and checksums are others' records: of Adressa's week in OmniRec, of MIND in the tests of Recommenders
# (sizes) and in notes of 2026-08-16 that compared them with the server's own (checksums).
SOURCES = {
    "adressa": _adressa(
        "Adressa, light version, one week (January 2017)",
        Remote(
            f"{_RECLAB}one_week.tar.gz",
            about=1_400_000_000,
            sha256="a68a1af8322e7fabada7a8b8a118ba0564beab7eb0433e80b3dec13cf5158e03",
        ),
    ),
    "adressa-3months": _adressa(
        "Adressa, light version, ten weeks (January to March 2017)",
        Remote(f"{_RECLAB}three_month.tar.gz", about=16_000_000_000),
    ),
    "mind-demo": _mind(
        "MIND, demo (5,000 readers)",
        Remote(f"{_MIND}MINDdemo_train.zip", 17_372_879, unpack=True),
        Remote(f"{_MIND}MINDdemo_dev.zip", 10_080_022, unpack=True),
    ),
    "mind-small": _mind(
        "MIND, small (50,000 readers)",
        Remote(
            f"{_MIND}MINDsmall_train.zip",
            52_994_575,
            sha256="6ef97a271580b98ccfc4301ada55cc639423cb0576a78b8dcfcf74a4dbcc3194",
            unpack=True,
        ),
        Remote(
            f"{_MIND}MINDsmall_dev.zip",
            30_948_560,
            sha256="d6ce515dcaa6b6d47ddf0a326eebc8a31b84735ae410285c9882ca2a06eec669",
            unpack=True,
        ),
    ),
    "mind-large": _mind(
        "MIND, large, train and dev (the test split has no clicks)",
        Remote(f"{_MIND}MINDlarge_train.zip", 531_360_717, unpack=True),
        Remote(f"{_MIND}MINDlarge_dev.zip", 103_592_887, unpack=True),
    ),
    "ebnerd-demo": _ebnerd("demo", 20_000_000),
    "ebnerd-small": _ebnerd("small", 80_000_000),
    "ebnerd-large": _ebnerd("large", 3_000_000_000),
    "globo": Source(
        kind="globo",
        title="News Portal User Interactions by Globo.com",
        terms="Education and research only, no commercial use. Publications cite the two papers the page names.",
        page="https://www.kaggle.com/datasets/gspmoreira/news-portal-user-interactions-by-globocom",
        by_hand="Log in at Kaggle, download the archive from that page and unpack it into {folder}.",
    ),
    "deskdrop": Source(
        kind="deskdrop",
        title="Articles sharing and reading from CI&T Deskdrop",
        terms="The licence stands on the page.",
        page="https://www.kaggle.com/datasets/gspmoreira/articles-sharing-reading-from-cit-deskdrop",
        by_hand="Log in at Kaggle, download the archive from that page and unpack it into {folder}.",
    ),
    "nemig": Source(
        kind="nemig",
        title="NeMig, news about migration",
        terms="The data files: CC BY-NC-SA 4.0. Publications cite Iana et al. (2023), NeMig.",
        page="https://github.com/andreeaiana/nemig",
        by_hand="The German part is the folder data/news_recommendation of that repository; more is at\n"
        "https://zenodo.org/records/7908392, and the full texts are sent on request to the authors. Put a\n"
        "behaviors.tsv and a news.tsv (id, topic, sentiment, title, abstract, address, date) into {folder}.\n"
        "There are no event times: add --file-order to the command.",
    ),
    "newsreel": Source(
        kind="newsreel",
        title="The logs of plista and CLEF NewsREEL",
        terms="They were given to registered participants of the challenge, on terms signed with the organisers.",
        page="https://www.newsreelchallenge.org/how-to-participate/",
        by_hand="They are not public any more and no address is known. If you have them, put them into {folder}.",
    ),
    "pens": Source(
        kind="pens",
        title="PENS, personalised news headlines (Microsoft News, 2019)",
        terms="Microsoft Research License Terms, as those of MIND. Publications cite Ao et al. (2021), PENS.",
        page="https://msnews.github.io/pens_data.html",
        by_hand="The address of PENS.tar.gz at Azure is said to be closed. Kaggle has a copy, as\n"
        "divyapatel4/microsoft-pens-personalized-news-headlines. Put train.tsv, valid.tsv and news.tsv into {folder}.",
    ),
    "outbrain": Source(
        kind="outbrain",
        title="Outbrain Click Prediction, page views of two weeks in June 2016",
        terms="The competition's rules, to be accepted on its page.",
        page="https://www.kaggle.com/competitions/outbrain-click-prediction/data",
        by_hand="Log in at Kaggle, accept the rules, download page_views_sample.csv.zip, documents_meta.csv.zip,\n"
        "documents_categories.csv.zip and documents_topics.csv.zip from that page and put them into {folder}.\n"
        "page_views.csv.zip has all two thousand million page views.",
    ),
    "streamingrec": Source(
        kind="streamingrec",
        title="Click and item files of StreamingRec",
        terms="The terms are those of the log they are made from (Outbrain: at Kaggle; plista: see newsreel).",
        page="https://github.com/mjugo/StreamingRec",
        by_hand="Nobody publishes such files: StreamingRec's import makes them, as its Readme describes. Put the\n"
        "files of clicks and of items into {folder}.",
    ),
    "tianchi": Source(
        kind="tianchi",
        title="Tianchi, contest of news recommendation for beginners",
        terms="The terms of the contest stand on the page.",
        page="https://tianchi.aliyun.com/competition/entrance/531842",
        by_hand="Log in there (the contest is called 零基础入门推荐系统 - 新闻推荐, number 531842), download\n"
        "train_click_log.csv, testA_click_log.csv, testB_click_log.csv (each is enough) and articles.csv, and put\n"
        "them into {folder}.",
    ),
}


def find_source(name: str) -> Source:
    """The data set called `name`; raises `DataError` where there is none."""
    if name not in SOURCES:
        raise DataError(
            f"no data set called {name!r} can be fetched; there are {', '.join(SOURCES)}. "
            f"{did_you_mean(name, SOURCES)}".strip()
        )
    return SOURCES[name]


def describe(source: Source) -> str:
    """What is fetched and on which terms, to be read before accepting them."""
    lines = [source.title, source.terms, f"Terms: {source.page}"]
    lines += [f"  {file.url} ({_bytes(file)})" for file in source.files]
    return "\n".join([*lines, source.state] if source.state else lines)


def _bytes(file: Remote) -> str:
    size = file.size or file.about
    return "size unknown" if size is None else f"{'' if file.size else 'some '}{size / 1e6:,.0f} MB"


def default_folder(name: str) -> Path:
    """Where `fetch` puts a data set unless it is given another folder: `$NEWSREPLAY_HOME/raw/NAME`."""
    return home() / "raw" / name


def prepare_command(source: Source, path: Path | None, name: str) -> str:
    """The command that prepares what lies at `path` (None = wherever it does) under a name."""
    called = "" if name == source.kind else f" --name {shlex.quote(name)}"
    return f"newsreplay data prepare {source.kind} {'PATH' if path is None else shlex.quote(str(path))}{called}"
