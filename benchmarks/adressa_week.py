"""A week in Adressa's format, made up, in which titles tell what readers will like.

    python benchmarks/adressa_week.py --out DIR [--events 60000] [--seed 1]
    newsreplay run --data adressa:DIR --recommenders trend,awrs

Day files of JSON lines as in `one_week` of the SmartMedia Adressa data set
(`newsreplay/datasets/sources/adressa.py` states the format). Nothing in them was measured. Traffic, visits,
returning readers, the front page, appeal and the lives of articles come from
`newsreplay/datasets/sources/synthetic/newsroom.py`. What that lacks is made here: an article has a section, a part
of it and a place, which the words of its title and its `category1` follow; a reader prefers a section and a place.
What a reader opens is chosen, by what they prefer, among articles that readers found on the front page just before.
So popularity and trends are good, and a model that reads titles can be better. The same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from newsreplay.datasets.sources.synthetic.newsroom import START, Newsroom
from newsreplay.datasets.sources.synthetic.publishers import Choice, SyntheticPublisher
from newsreplay.log.rows import DAY, Column

BEGIN = 1_483_225_200_000  #: midnight in Oslo before 1 January 2017, ms UTC: where the real week begins, too
DAYS = 7
MINUTE = 60_000
HOME = 0.5  #: views of the home page for each read
LOOK = 20  #: articles among which a reader chooses, found by others within about an hour
LIKING = 3.0  #: of two articles, one in the section that the reader prefers is e^LIKING times as likely to be opened
LOCAL = 1.5  #: likewise with the place

# Section → its share, its parts, and whose words its titles are made of: who, does, what.
SECTIONS: dict[str, tuple[float, str, str, str, str]] = {
    "nyheter": (
        *(0.34, "trondheim, sortrondelag, innenriks, utenriks"),
        "Politiet, Kommunen, Ordføreren, Brannvesenet, Naboene, Sykehuset, Vegvesenet, Tingretten",
        "varsler om, etterforsker, advarer mot, krever svar om, utreder, fortviler over, anmelder, stanser",
        "brannen, trafikkulykken, tyveriet, ombyggingen, rasfaren, byggesaken, eiendomsskatten, streiken",
    ),
    "100sport": (
        *(0.22, "fotball, langrenn, håndball, skiskyting"),
        "Rosenborg, Treneren, Keeperen, Spissen, Landslaget, Løperen, Kapteinen, Supporterne",
        "jubler for, vinner, taper, drømmer om, raser over, sikrer seg, gruer seg til, gleder seg til",
        "seriegullet, cupfinalen, derbyet, verdenscupen, straffesparket, stafetten, bortekampen, sprinten",
    ),
    "kultur": (
        *(0.14, "musikk, film, teater, litteratur"),
        "Skuespilleren, Bandet, Forfatteren, Festivalen, Regissøren, Dirigenten, Artisten, Museet",
        "hylles for, debuterer med, avlyser, åpner, gjør comeback med, slipper, selger ut, viser fram",
        "platen, romanen, forestillingen, konserten, utstillingen, serien, diktsamlingen, revyen",
    ),
    "okonomi": (
        *(0.1, "næringsliv, eiendom, jobb"),
        "Gründeren, Banken, Oljeselskapet, Hotellkjeden, Lakseoppdretteren, Megleren, Rederiet, Investoren",
        "kjøper, satser på, legger ned, selger, permitterer etter, tjener på, taper penger på, utvider",
        "boligprisene, renten, aksjene, kontrakten, kjøpesenteret, overskuddet, konkursen, fabrikken",
    ),
    "meninger": (
        *(0.1, "kommentarer, debatt, ordetfritt"),
        "Leserne, Redaktøren, Studentene, Foreldrene, Pensjonistene, Bøndene, Lærerne, Pendlerne",
        "mener noe om, takker for, svarer på, forsvarer, er lei av, etterlyser, tviler på, håper på",
        "skolepolitikken, bilfrie gater, eldreomsorgen, jernbanen, leksene, rovdyrene, bussrutene, bompengene",
    ),
    "forbruker": (
        *(0.1, "mat, bil, reise, teknologi"),
        "Kokken, Ekspertene, Familien, Bilistene, Turistene, Forbrukerrådet, Mobilkundene, Bakeren",
        "tester, anbefaler, sparer på, lurer på, velger, prøver, finner feil ved, skryter av",
        "elbilen, fårikålen, vinterdekkene, feriehuset, strømprisen, nettbrettet, kanelbollene, turskiene",
    ),
}
PLACES = "på Byåsen, på Heimdal, på Lade, på Tiller, i Stjørdal, på Orkanger, på Melhus, i Malvik, på Røros, i Oppdal"
DEVICES = (("Mobile", "iPhone OS"), ("Mobile", "Android"), ("Desktop", "Windows"), ("Tablet", "iPhone OS"))


class Articles(NamedTuple):
    """What articles are, by number."""

    published: Column  #: int64[n], ms UTC
    section: Column  #: int64[n]
    place: Column  #: int64[n]
    title: list[str]
    path: list[str]  #: `category1`


class Reads(NamedTuple):
    """Reads in order of time."""

    time: Column  #: int64[n], ms UTC
    user: Column  #: int64[n]
    item: Column  #: int64[n]
    liked: Column  #: bool[n], in the section that its reader prefers


def paper(events: int) -> SyntheticPublisher:
    """A paper with so many reads a week, about, whose articles live for hours."""
    return SyntheticPublisher(
        entry=Choice(evergreen=0.01, archive=0.04),
        next=Choice(evergreen=0.01, archive=0.04),
        reads_per_day=round(events / DAYS),
        rhythm=0.75,
        peak_hour=19,
        go_on=0.55,
        regulars=0.25,
        regulars_go_on=0.8,
        newcomers=0.15,
        revisit_days=1.5,
        archive=2_000,
        archive_days=300,
        categories=len(SECTIONS),
        evergreens=4,
        articles_per_day=150,
        appeal_skew=0.5,
        rise_hours=0.5,
        life_hours=6,
    )


def articles_of(published: Column, rng: np.random.Generator) -> Articles:
    """Sections, places and titles of articles."""
    count = len(published)
    names = list(SECTIONS)
    section = rng.choice(len(names), count, p=[SECTIONS[name][0] for name in names])
    places = PLACES.split(", ")
    place = rng.integers(0, len(places), count)
    luck = rng.random((count, 4))
    titles, paths = [], []
    for number in range(count):
        name = names[section[number]]
        parts, who, does, what = (
            words[int(one * len(words))]
            for one, words in zip(luck[number], (text.split(", ") for text in SECTIONS[name][1:]), strict=True)
        )
        titles.append(f"{who} {does} {what} {places[place[number]]}")
        paths.append(f"{name}|{parts}")
    return Articles(published, section, place, titles, paths)


def reads_of(events: int, seed: int) -> tuple[Reads, Articles]:
    """The week: what the synthetic paper's readers came across, and what they opened of it."""
    newsroom = Newsroom("adressa", paper(events), seed)
    found, tables = [], []
    for batch in newsroom.batches(2 * events):
        tables.append(newsroom.article_table(batch.published_until))
        found.append(np.stack([batch.time, batch.user, batch.item]))
    time, user, item = np.concatenate(found, axis=1)
    week = int(np.searchsorted(time, DAYS * DAY))
    time, user, item = time[:week], user[:week], item[:week]
    since = pa.concat_tables(tables)["published"].cast(pa.int64()).to_numpy()
    rng = np.random.default_rng(seed)
    articles = articles_of((since - START + BEGIN) // MINUTE * MINUTE, rng)

    readers = int(user.max()) + 1
    likes = rng.choice(len(SECTIONS), readers, p=[share for share, *_ in SECTIONS.values()])
    lives = rng.integers(0, len(PLACES.split(", ")), readers)
    back = np.arange(week)[:, None] - rng.integers(0, max(week // (24 * DAYS), LOOK), (week, LOOK))
    seen = item[np.maximum(back, 0)]
    drawn = rng.gumbel(size=seen.shape)  # whoever has the largest sum is chosen as by a softmax
    drawn += LIKING * (articles.section[seen] == likes[user][:, None])
    drawn += LOCAL * (articles.place[seen] == lives[user][:, None])
    opened = item.copy()
    read: dict[int, set[int]] = {}
    for row in range(week):
        before = read.setdefault(int(user[row]), set())
        choice = list(zip(drawn[row].tolist(), seen[row].tolist(), strict=True))
        opened[row] = max([one for one in choice if one[1] not in before] or choice)[1]
        before.add(int(opened[row]))
    return Reads(time + BEGIN, user, opened, articles.section[opened] == likes[user]), articles


def write_week(folder: Path, events: int = 60_000, seed: int = 1) -> int:
    """Write the day files; returns how many reads there are."""
    reads, articles = reads_of(events, seed)
    rng = np.random.default_rng([seed, 1])
    count = len(reads.time)
    home = rng.poisson(HOME, count)
    stay = np.round(rng.lognormal(3.2 + 0.6 * reads.liked, 0.8)).astype(np.int64) + 1
    measured = rng.random(count) < 0.7
    folder.mkdir(parents=True, exist_ok=True)
    files = [(folder / f"{20170101 + day}").open("w", encoding="utf-8", newline="\n") for day in range(DAYS)]
    last: dict[int, int] = {}
    for row in range(count):
        time, user, item = int(reads.time[row]), int(reads.user[row]), int(reads.item[row])
        device, system = DEVICES[user % len(DEVICES)]
        event: dict[str, Any] = {
            "eventId": 1_000_000_000 + 10 * row,
            "city": "trondheim" if user % 3 else "oslo",
            "region": "sor-trondelag" if user % 3 else "oslo",
            "country": "no",
            "deviceType": device,
            "os": system,
            "referrerHostClass": "internal" if home[row] else "direct",
            "time": time // 1000,
            "userId": f"cx:{hashlib.sha1(b'%d' % user).hexdigest()[:20]}",
            "sessionStart": time - last.get(user, 0) > 30 * MINUTE,
            "sessionStop": False,
        }
        last[user] = time
        file = files[(time - BEGIN) // DAY]
        for view in range(int(home[row])):
            page = event | {"eventId": event["eventId"] + 1 + view, "url": "http://adressa.no"}
            file.write(json.dumps(page, ensure_ascii=False) + "\n")
        path = articles.path[item]
        url = f"http://www.adressa.no/{quote(path.replace('|', '/'))}/{13_000_000 + item}.ece"
        published = datetime.fromtimestamp(int(articles.published[item]) / 1000, UTC)
        event |= {"activeTime": int(stay[row])} if measured[row] else {}
        event |= {
            "url": url,
            "canonicalUrl": url,
            "title": articles.title[item],
            "category1": path,
            "publishtime": f"{published:%Y-%m-%dT%H:%M:%S}.000Z",
            "id": hashlib.sha1(url.encode()).hexdigest(),
            "profile": [{"item": path, "groups": [{"count": 1, "group": "taxonomy", "weight": 1.0}]}],
        }
        file.write(json.dumps(event, ensure_ascii=False) + "\n")
    for file in files:
        file.close()
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the day files")
    parser.add_argument("--events", type=int, default=60_000, help="reads, about")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    reads = write_week(given.out, given.events, given.seed)
    print(f"wrote {reads:,} reads to {given.out}; replay them with: newsreplay run --data adressa:{given.out}")


if __name__ == "__main__":
    main()
