"""Certificates: digests of a run's log, code, options, answers and results, to be compared with other people's.

A certificate proves nothing by itself: who writes one can write anything. What it is good for is that two of the same
run must agree, and that whoever replays the run can say whether it is so.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypedDict, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from newsreplay.durations import Delays
from newsreplay.errors import NewsreplayError, SpecError
from newsreplay.files import written_whole
from newsreplay.machine import home
from newsreplay.recommenders.built_ins import ALIASES, BUILT_IN
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.checks import CheckedSetting, check_entry
from newsreplay.simulator.runs.files import opened
from newsreplay.simulator.runs.folder import RunFolder
from newsreplay.simulator.runs.origin import code_digest
from newsreplay.simulator.runs.records import PAIR_FILES, OptionsRecord, PairRecord
from newsreplay.spec import parse_spec
from newsreplay.version import __version__

FORMAT_OF_CERTIFICATES = 1
LARGEST = 20_000_000  #: bytes of a certificate that is read
MOST_OF_A_NUMBER = 1e12  #: no metric is as large
FILE = "certificate.json"  #: in a run folder


class CertifiedData(TypedDict):
    """What data it was."""

    name: str
    kind: str
    digest: str


class CertifiedPair(TypedDict):
    """One recommender on one publisher."""

    publisher: str
    recommender: str
    status: str
    leaks: str  #: what of the future it was given, in words
    answers: dict[str, str]  #: digests by kind: slates, scores, outcomes, …
    results: dict[str, list[float | int | None]]  #: by metric: value, low, high, n
    digest: str  #: of `results`


class CertifiedCheck(TypedDict):
    """What `newsreplay check` said of a recommender."""

    passed: bool
    verdict: str


class Certificate(TypedDict):
    """A certificate, as it is written."""

    format: int
    by: str
    newsreplay: str
    code: str
    platform: str
    packages: dict[str, str]
    data: CertifiedData
    options: dict[str, object]
    pairs: list[CertifiedPair]
    checks: dict[str, CertifiedCheck]
    digest: str  #: of all the rest


# --- making ----------------------------------------------------------------------------------------------


def certify(folder: Path, by: str, progress: Callable[[str, int, int], None]) -> Path:
    """Write the certificate of a run that was just verified into its folder, and note here that it was replayed."""
    run = RunFolder(folder)
    data = run.info["data"]
    specs = list(dict.fromkeys(pair["recommender"] for pair in run.info["pairs"]))
    checks: dict[str, CertifiedCheck] = {}
    for number, spec in enumerate(specs):
        progress("checking", number, len(specs))
        checks[spec] = _checked(spec, run.info["options"])
    certificate: Certificate = {
        "format": FORMAT_OF_CERTIFICATES,
        "by": by,
        "newsreplay": __version__,
        "code": code_digest(),
        "platform": run.info["platform"],
        "packages": run.info["packages"],
        "data": {"name": data["name"], "kind": data["kind"], "digest": data["digest"]},
        "options": {**run.info["options"]},
        "pairs": [_pair(run, pair) for pair in run.info["pairs"]],
        "checks": checks,
        "digest": "",
    }
    certificate["digest"] = _digest_of(certificate)
    path = run.folder / FILE
    with written_whole(path) as work:
        work.write_text(json.dumps(certificate, indent=1, ensure_ascii=True, allow_nan=False) + "\n", "utf-8")
    for pair in certificate["pairs"]:
        note = _note(answer_key(certificate, pair), pair)
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
    return path


def _checked(spec: str, options: OptionsRecord) -> CertifiedCheck:
    asked: CheckedSetting = {
        "k": options["k"],
        "requests": options.get("requests", "reads"),
        "exclude": options.get("exclude", "current"),
    }
    try:
        check = check_entry(start_list(spec)[0], feedback_delay=Delays(**options.get("feedback_delay", {})), **asked)
    except NewsreplayError as error:
        return {"passed": False, "verdict": f"{spec}: not checked: {error}"}
    return {"passed": check.passed, "verdict": str(check)}


def _pair(run: RunFolder, pair: PairRecord) -> CertifiedPair:
    name = (pair["publisher"], pair["recommender"])
    results: dict[str, list[float | int | None]] = {
        row.metric: [row.value, row.low, row.high, row.n]
        for row in run.results
        if (row.publisher, row.recommender) == name
    }
    return {
        "publisher": name[0],
        "recommender": name[1],
        "status": pair["status"],
        "leaks": pair.get("leaks", pair.get("foresight") or ""),
        "answers": {what: columns_digest(run.folder / pair[what]) for what in PAIR_FILES if what in pair},
        "results": results,
        "digest": digest_of_json(results),
    }


def digest_of_json(value: object) -> str:
    """A digest of plain data, 64 hexadecimal digits; the order of keys does not count."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_of(certificate: Mapping[str, object]) -> str:
    """The digest of all of a certificate but its digest."""
    return digest_of_json({name: one for name, one in certificate.items() if name != "digest"})


def columns_digest(path: Path) -> str:
    """A digest of what an Arrow file holds, whatever its compression and its pieces; 64 hexadecimal digits."""
    parts: dict[str, hashlib._Hash] = {}

    def add(name: str, array: pa.Array) -> None:
        if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
            add(f"{name}.length", pc.list_value_length(array))
            add(f"{name}.value", array.flatten())
        elif pa.types.is_dictionary(array.type):
            words = "".join(f"{word}\0" for word in array.dictionary.to_pylist()).encode(errors="surrogatepass")
            if len(array) or f"{name}.words" not in parts:  # pieces have the same, but for those without any
                parts[f"{name}.words"] = hashlib.sha256(words)
            add(f"{name}.code", array.indices)
        elif pa.types.is_binary(array.type) or pa.types.is_string(array.type):
            add(f"{name}.length", pc.binary_length(array))
            parts.setdefault(name, hashlib.sha256()).update(b"".join(array.cast(pa.binary()).drop_null().to_pylist()))
        else:
            missing = np.asarray(pc.is_null(array).to_numpy(zero_copy_only=False))
            if array.null_count:
                array = array.fill_null(0)
            values = np.ascontiguousarray(array.to_numpy(zero_copy_only=False))
            parts.setdefault(name, hashlib.sha256(str(values.dtype).encode())).update(values.tobytes())
            parts.setdefault(f"{name}.missing", hashlib.sha256()).update(missing.tobytes())

    with opened(path) as reader:
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                add(name, column)
    return digest_of_json({name: part.hexdigest() for name, part in parts.items()})


# --- reading ---------------------------------------------------------------------------------------------


class Refused(NamedTuple):
    """A certificate that is not shown, and why."""

    file: str
    why: str


class ReadCertificates(NamedTuple):
    """The certificates of a folder: by file name, those that agree with one another, and the others."""

    kept: dict[str, Certificate]
    refused: list[Refused]
    replayed: set[tuple[str, int]]  #: file and place of the pairs that this machine has replayed with these answers


def read_certificates(folder: Path) -> ReadCertificates:
    """Read all JSON files of a folder; of run folders in it only their certificates.

    Raises `NewsreplayError` where there is none.
    """
    found = sorted(path for path in folder.rglob("*.json") if path.is_file()) if folder.is_dir() else []
    files = [path for path in found if path.name == FILE or not (path.parent / "run.json").exists()]
    if not files:
        way = "'newsreplay verify RUN --certificate' writes one"
        raise NewsreplayError(f"{folder} holds no certificates (*.json); {way}")
    kept: dict[str, Certificate] = {}
    refused = []
    for path in files:
        name = path.relative_to(folder).as_posix()
        try:
            kept[name] = _read(path)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            refused.append(Refused(name, f"it is no certificate: {_told(error)}"))
    replayed = {
        (name, place)
        for name, certificate in kept.items()
        for place, pair in enumerate(certificate["pairs"])
        if _note(answer_key(certificate, pair), pair).exists()
    }
    for name, why in [*_conflicts(kept, replayed)]:
        if kept.pop(name, None) is not None:
            refused.append(Refused(name, why))
    return ReadCertificates(kept, refused, {(name, place) for name, place in replayed if name in kept})


def _told(error: BaseException) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else f"{error}" or type(error).__name__


def _read(path: Path) -> Certificate:
    """A certificate, once all in it is of the right kind and its digests add up. Raises `ValueError` and its kin."""
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} bytes")
    value = json.loads(path.read_bytes(), parse_constant=_not_a_number)
    if not isinstance(value, dict) or value.get("format") != FORMAT_OF_CERTIFICATES:
        raise ValueError(f"it is not of format {FORMAT_OF_CERTIFICATES}")
    _must(value, by=str, newsreplay=str, code=str, platform=str, packages=dict, data=dict)
    _must(value, options=dict, pairs=list, checks=dict, digest=str)
    _must(value["data"], name=str, kind=str, digest=str)
    for check in value["checks"].values():
        _must(check, passed=bool, verdict=str)
    for pair in value["pairs"]:
        _must(pair, publisher=str, recommender=str, status=str, leaks=str, answers=dict, results=dict, digest=str)
        for row in pair["results"].values():
            if not isinstance(row, list) or len(row) != 4 or type(row[3]) is not int or not all(map(_is_number, row)):
                raise ValueError(f"results of {pair['recommender']} are {row!r:.80}")
        if digest_of_json(pair["results"]) != pair["digest"]:
            raise ValueError(f"the digest of the results of {pair['recommender']} does not add up")
    if _digest_of(value) != value["digest"]:
        raise ValueError("its digest does not add up")
    return cast(Certificate, value)


def _not_a_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _is_number(value: object) -> bool:
    return value is None or (type(value) in (int, float) and abs(cast(float, value)) < MOST_OF_A_NUMBER)


def _must(value: object, **kinds: type) -> None:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r:.80} is no object")
    for name, kind in kinds.items():
        if not isinstance(value[name], kind):
            raise TypeError(f"{name!r} is {value[name]!r:.80}")


def answer_key(certificate: Certificate, pair: CertifiedPair) -> str:
    """What fixes a pair's answers: two certificates with the same must have the same.

    Data, options, code and recommender; machine and packages, too, of all but the baselines, which rank by whole
    numbers: sums of networks may depend on them, and strangers' classes on anything.
    """
    key: list[object] = [certificate["data"]["digest"], certificate["options"], certificate["newsreplay"]]
    key += [certificate["code"], pair["publisher"], pair["recommender"]]
    if not _is_exact(pair["recommender"]):
        key += [certificate["platform"], certificate["packages"]]
    return digest_of_json(key)


def _is_exact(recommender: str) -> bool:
    try:
        spec = parse_spec(recommender)
        record = BUILT_IN.get(ALIASES.get(spec.name, spec.name))
        return record is not None and record.target.startswith("baselines.")
    except (SpecError, RecursionError):
        return False


def _conflicts(kept: dict[str, Certificate], replayed: set[tuple[str, int]]) -> Iterator[tuple[str, str]]:
    """Certificates that say otherwise of the same pair than another one; of two, one that was replayed here stands."""
    said: dict[str, list[tuple[str, int, str]]] = {}
    for name, certificate in kept.items():
        for place, pair in enumerate(certificate["pairs"]):
            facts = digest_of_json([pair["answers"], pair["digest"], pair["status"]])
            said.setdefault(answer_key(certificate, pair), []).append((name, place, facts))
    for rows in said.values():
        for name, place, facts in rows:
            others = [(other, at) for other, at, theirs in rows if theirs != facts]
            if not others or (name, place) in replayed:
                continue
            pair = kept[name]["pairs"][place]
            proven = [other for other, at in others if (other, at) in replayed]
            end = f"{proven[0]}, which was replayed here" if proven else f"{others[0][0]}; one of them is wrong"
            yield name, f"{pair['recommender']} on {pair['publisher']}: other answers or results than in {end}"


def _note(key: str, pair: CertifiedPair) -> Path:
    """Where this machine notes that it has replayed a pair with these answers and results."""
    said = digest_of_json([key, pair["answers"], pair["digest"], pair["status"]])
    return home() / "replayed" / said
