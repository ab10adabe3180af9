"""Where a table's columns are: by the names that are given, by ours, or by those they usually go by."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from newsreplay.datasets.base import EXTRA, check_kept
from newsreplay.datasets.sources.table.files import File, printable
from newsreplay.errors import DataError

TIMES = ("time", "published")
WORDS = ("publisher", "user", "session", "item", "category", "title", "dwell")
READ_COLUMNS = ("publisher", "time", "user", "session", "item", "published", "category", "title", "dwell")
ARTICLE_COLUMNS = ("item", "publisher", "published", "category", "title")
COLUMNS = {"reads": TIMES + WORDS, "articles": ARTICLE_COLUMNS}
NEEDED = {"reads": ("time", "user", "session", "item"), "articles": ("item",)}
#: What columns go by elsewhere, in lower case and without blanks, bars and dashes.
_USUAL = {
    "time": "ts timestamp datetime date eventtime eventtimestamp timems clicktime clicktimestamp",
    "item": "article articleid itemid newsid documentid docid contentid storyid clickarticleid url",
    "user": "userid reader readerid visitorid cookie cookieid",
    "session": "sessionid visit visitid",
    "published": "publishedat publishtime publishedtime publicationdate publicationtime pubdate",
    "category": "categoryid categoryname section",
    "title": "headline",
    "dwell": "dwelltime dwellseconds readtime readingtime activetime timespent",
    "publisher": "publisherid publishername",
}
#: Of an article these are when it was published; of a read they may be when it was made.
_USUAL_OF_ARTICLES = {"published": "createdat createdatts createdtime date datetime timestamp ts"}
LONGEST = 50  #: characters of a usual name, at most
_TYPED = re.compile(r":(token|float)(_seq)?$")  # as RecBole's atomic files name columns: user_id:token


class Placed(NamedTuple):
    """The columns of a file."""

    places: dict[str, int]  #: our name → position in the file
    constants: dict[str, str]  #: our name → the value that the file's folders say of all rows
    aliases: dict[str, str]  #: our name → the usual name that it was found under, of those that were


def aliases_of(role: str) -> dict[str, str]:
    """Usual name (as `_key` has it) → our name, in files of this role."""
    usual = {other: name for name in COLUMNS[role] for other in [name, *_USUAL[name].split()]}
    if role == "articles":
        usual |= {other: name for name, others in _USUAL_OF_ARTICLES.items() for other in others.split()}
    return usual


def _key(heading: str) -> str:
    """What of a heading counts: `user_id:token`, `UserId` and `USER ID` are one.

    >>> _key("user_id:token"), _key("SessionId")
    ('userid', 'sessionid')
    """
    return re.sub(r"[ _-]", "", _TYPED.sub("", heading.strip().lower()))


def check_names(names: Mapping[str, str]) -> None:
    """Whether names of columns are given for columns that there are. Raises `DataError`."""
    for given in names:
        role, dot, name = given.rpartition(".")
        known = COLUMNS.get(role, ()) if dot else COLUMNS["reads"]
        if name not in known:
            usual = aliases_of("reads")
            near = difflib.get_close_matches(name, known, 1) or [usual.get(_key(name), "")]
            allowed = ", ".join(COLUMNS["reads"])
            raise DataError(
                f"columns: '{given}' is none of {allowed} (or reads.item, articles.item …); write ours first, "
                "as in time=ts" + (f". Did you mean '{role + dot}{near[0]}'?" if near[0] else "")
            )


def with_kept(names: Mapping[str, str], keep: Sequence[str]) -> dict[str, str]:
    """Names of columns, with those of further columns of the reads that are kept. Raises `DataError`."""
    check_names(names)
    return {**names, **{f"{EXTRA}{name}": name for name in keep}}


def place(file: File, headings: list[str], names: Mapping[str, str]) -> Placed:
    """Where the columns are that there are. Raises `DataError` if one is missing, or may be either of two."""
    placed, missing = lookup(file, headings, names)
    if not missing:
        return placed
    clean = [name.strip() for name in headings]
    if isinstance(missing, str) and missing.startswith(EXTRA):
        source, there = missing.removeprefix(EXTRA), [*clean, *dict(file.partitions)]
        raise MissingError(
            f"{file.name} has no column '{printable(source)}' to keep; {_has(there)}{_hint(source, there)}"
        )
    if isinstance(missing, str):
        source = _asked(file, clean, names, missing) or missing
        raise MissingError(f"{file.name} has no column '{source}' (for {missing}); {_has(clean)}{_hint(source, clean)}")
    what = ", ".join("'" + "' or '".join(either) + "'" for either in missing)
    raise MissingError(f"{file.name}: no column {what}; {_has(clean)}. {_way_out(file, missing, clean, names)}")


Missing = (
    str | list[tuple[str, ...]]
)  #: a column that was named and is not there, or those one of each of which must be


def lookup(file: File, headings: list[str], names: Mapping[str, str]) -> tuple[Placed, Missing]:
    """Where the columns are, and which are missing. Raises `DataError` where one may be either of two."""
    clean = [name.strip() for name in headings]
    folders = dict(file.partitions)
    placed = Placed({}, {}, {})
    asked = {name: source for name in COLUMNS[file.role] if (source := _asked(file, clean, names, name)) is not None}
    usual = _usual(file, clean, {*asked.values(), *COLUMNS[file.role]})
    for name in COLUMNS[file.role]:
        source = asked.get(name, name)
        if clean.count(source) > 1:
            raise DataError(f"{file.name} has {clean.count(source)} columns called '{source}'; rename all but one")
        if source in clean:
            placed.places[name] = clean.index(source)
        elif source in folders and name != "item":
            placed.constants[name] = folders[source]
        elif name in asked:
            return placed, name
        elif name in usual:
            placed.aliases[name] = _only(file, name, usual[name], names)
            placed.places[name] = clean.index(placed.aliases[name])
    for name in names if file.role == "reads" else ():
        if name.startswith(EXTRA) and not _keep(file, clean, placed, name):
            return placed, name
    found = {*placed.places, *placed.constants}
    needed = NEEDED[file.role]
    missing: list[tuple[str, ...]] = [(name,) for name in needed if name not in (*found, "user", "session")]
    if "user" in needed and not {"user", "session"} & found:
        missing.append(("user", "session"))
    return placed, missing


def _keep(file: File, headings: list[str], placed: Placed, name: str) -> bool:
    """Find a further column that is kept; whether there is one. Raises `DataError` for one of two, or the dwell."""
    source, folders = name.removeprefix(EXTRA), dict(file.partitions)
    if headings.count(source) > 1:
        raise DataError(f"{file.name} has {headings.count(source)} columns called '{source}'; rename all but one")
    if source in headings:
        placed.places[name] = headings.index(source)
        check_kept([source], [headings[place] for ours, place in placed.places.items() if ours == "dwell"], file.name)
    elif source in folders:
        placed.constants[name] = folders[source]
    return source in headings or source in folders


def _asked(file: File, headings: list[str], names: Mapping[str, str], name: str) -> str | None:
    """What a column is said to be called in this file; names for any file are those of the reads at least."""
    own = names.get(f"{file.role}.{name}")
    if own is not None:
        return own
    source = names.get(name)
    return source if file.role == "reads" or source in headings else None


def _usual(file: File, headings: list[str], taken: set[str]) -> dict[str, list[str]]:
    """Our name → the headings under which the column usually goes."""
    usual = aliases_of(file.role)
    found: dict[str, list[str]] = {}
    for heading in headings:
        if len(heading) <= LONGEST and heading not in taken and (name := usual.get(_key(heading))):
            found.setdefault(name, []).append(heading)
    return found


def _only(file: File, name: str, found: list[str], names: Mapping[str, str]) -> str:
    if len(found) > 1:
        both = " and ".join(f"'{printable(heading, 50)}'" for heading in found[:2])
        more = _pasted(file, names, {name: found[0]})
        raise DataError(f"{file.name}: {both} may both be {name}; say which{f', as in {more}' if more else ''}")
    return found[0]


class MissingError(DataError):
    """A column that a table must have is not found."""


def _has(headings: list[str]) -> str:
    names = [printable(name, 50) or "''" for name in headings[:20]]
    more = f" and {len(headings) - 20:,} more" if len(headings) > 20 else ""
    return f"it has {', '.join(names) or 'no columns'}{more}"


def _way_out(file: File, missing: list[tuple[str, ...]], headings: list[str], names: Mapping[str, str]) -> str:
    near = {name: heading for either in missing for name, heading in [_suggestion(either, headings)] if heading}
    if near and (pasted := _pasted(file, names, near)):
        return f"Did you mean {pasted}?"
    pasted = _pasted(file, names, {missing[0][0]: "…"}) or f"--columns {missing[0][0]}=…"
    if not set(headings) & set(TIMES + WORDS) and file.is_text:
        return f"If the first line is no header, add one; else say {pasted}"
    return f"Say which one it is with {pasted}"


def _suggestion(either: tuple[str, ...], headings: list[str]) -> tuple[str, str]:
    for name in either:
        near = difflib.get_close_matches(name, headings, 1)
        if near:
            return name, near[0]
    return either[0], ""


def _pasted(file: File, names: Mapping[str, str], more: Mapping[str, str]) -> str:
    """What is to be given so that these columns are found too, as it can be pasted; "" where nothing can be."""
    prefix = "" if file.role == "reads" else f"{file.role}."
    wanted = {**{name: heading for name, heading in names.items() if not name.startswith(EXTRA)}}
    wanted |= {**{prefix + name: heading for name, heading in more.items()}}
    if file.is_frame:
        return f"columns={wanted!r}"
    if any(printable(text) != text or "," in text for text in wanted.values()):
        return ""
    text = ",".join(f"{name}={heading}" for name, heading in wanted.items())
    return f"--columns {text if '…' in more.values() else shlex.quote(text)}"


def _hint(name: str, headings: list[str]) -> str:
    near = difflib.get_close_matches(name, headings, 1)
    return f". Did you mean '{printable(near[0])}'?" if near else ""
