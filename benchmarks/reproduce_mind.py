"""MIND-small as published, for every neural model, beside what papers print.

    python benchmarks/reproduce_mind.py --mind DIR [--glove FILE] [--models nrms,naml,…] [--size paper]
        [--device auto] [--epochs N] [--seed 0] [--out DIR]

DIR holds the unpacked `MINDsmall_train` and `MINDsmall_dev`; FILE are word vectors as text, the papers' are GloVe
840B.300d. Models learn from 9 to 14 November 2019 and are scored on 15 November, the official dev day, without further
updates (`update=none`), with readers' histories as in the files (`history=static`). Made for a GPU. `sentirec` is run
where `--models` names it: it takes VADER's sentiments, as published (`pip install "newsreplay[sentiment]"`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

from tabulate import tabulate

import newsreplay
from newsreplay.datasets.fetching.sources import find_source
from newsreplay.spec import Spec, Value

MODELS = (
    *("nrms", "naml", "lstur", "tanr", "caum", "pprec", "awrs", "crown", "fim", "cennewsrec", "mins", "npa"),
    *("hierec", "glory", "cne-sue", "dkn", "mccm", "dssm", "libfm", "deepfm"),
)
FED = ("libfm", "deepfm")  #: taught event by event, on the dev day too: they have no size, and nothing to leave out
OF_LANGUAGE_MODELS = ("nrms-bert", "miner", "manner-cr", "unbert", "amm")  #: run where one is given
OPTIONS: dict[str, list[tuple[str, Value]]] = {"sentirec": [("sentiment", "vader")]}  #: as published; needs its extra
METRICS = {"auc": "AUC", "mrr": "MRR", "ndcg@5": "nDCG@5", "ndcg@10": "nDCG@10"}
IMPRESSIONS = 73_152  #: of MIND-small's dev day
GLOVE = "https://nlp.stanford.edu/data/glove.840B.300d.zip (Public Domain Dedication and License)"


class Published(NamedTuple):
    """A table of a paper with metrics per impression on MIND-small's dev day, in per cent."""

    where: str
    numbers: dict[str, tuple[float, float, float, float]]  #: by model, in the order of `METRICS`


PUBLISHED = (
    Published(
        "CROWN (2025), Table 4, mean of 5 runs",
        {
            "nrms": (66.23, 31.34, 34.53, 41.35),
            "naml": (66.48, 31.42, 34.80, 41.12),
            "lstur": (66.12, 31.21, 34.61, 40.56),
            "fim": (65.71, 30.93, 34.28, 40.47),
            "hierec": (67.18, 31.69, 35.32, 41.61),
            "cne-sue": (67.61, 32.19, 35.72, 42.03),
            "glory": (67.92, 32.21, 36.01, 41.96),
            "crown": (68.57, 34.05, 37.83, 43.84),
            "mccm": (67.95, 32.76, 36.62, 42.66),
            "dssm": (62.35, 29.34, 30.94, 37.48),
            "libfm": (60.39, 28.35, 30.40, 36.50),
            "npa": (65.42, 30.92, 34.08, 40.39),
        },
    ),
    Published(
        "PUNR (2023), Table 1",
        {
            "nrms": (64.83, 30.01, 32.52, 38.92),
            "naml": (65.50, 30.39, 33.08, 39.31),
            "lstur": (64.38, 29.46, 31.89, 38.17),
            "dkn": (61.75, 27.05, 28.90, 35.38),
            "fim": (65.02, 30.26, 32.91, 39.10),
            "nrms-bert": (65.52, 31.00, 33.87, 40.38),
            "libfm": (59.74, 26.33, 27.95, 34.29),
            "deepfm": (59.89, 26.21, 27.74, 34.06),
            "unbert": (67.62, 31.72, 34.75, 41.02),
            "amm": (67.96, 32.98, 36.64, 42.77),
            "npa": (63.21, 29.11, 31.70, 37.81),
        },
    ),
)


def specs(
    models: list[str], size: str, device: str, glove: Path | None, epochs: int | None, plm: str | None = None
) -> dict[str, str]:
    """The recommenders to run, by model; with a language model those that are made for one are among them."""
    shared: list[tuple[str, Value]] = [("size", size), ("update", None), ("candidates", 0), ("device", device)]
    fitted: list[tuple[str, Value]] = [("epochs", epochs)] if epochs else []
    words: list[tuple[str, Value]] = [("words", str(glove))] if glove else []
    made = {
        model: Spec(model, () if model in FED else (*shared, *words, *fitted, *OPTIONS.get(model, ())))
        for model in models
    }
    if plm is not None:
        made |= {model: Spec(model, (*shared, ("plm", plm), *fitted)) for model in OF_LANGUAGE_MODELS}
    return {model: str(spec) for model, spec in made.items()}


def table(run: Any, recommenders: dict[str, str]) -> str:
    """What was measured, ± half the width of the 95 % interval, in per cent, beside the papers' numbers."""
    found = {(result.recommender, result.metric): result for result in run.results}
    errors = {pair["recommender"]: pair["error"] for pair in run.info["pairs"] if pair["status"] == "failed"}
    rows = []
    for model, spec in recommenders.items():
        cells = ["failed" if spec in errors else _cell(found.get((spec, metric))) for metric in METRICS]
        rows.append([model, f"newsreplay {newsreplay.__version__}", *cells])
        for paper in PUBLISHED:
            printed = paper.numbers.get(model)
            rows.append(
                ["", paper.where, *(f"{number:.2f}" for number in printed)] if printed else ["", paper.where, *4 * "–"]
            )
    text = tabulate(rows, ["model", "where", *METRICS.values()], tablefmt="simple", disable_numparse=True)
    scored = max((result.n for result in run.results if result.metric == "auc"), default=0)
    return "\n".join([text, "", *(f"{spec}: {error}" for spec, error in errors.items()), *_notes(scored, recommenders)])


def _cell(result: Any) -> str:
    if result is None or result.value is None:
        return "–"
    half = "" if result.low is None else f" ±{50 * (result.high - result.low):.2f}"
    return f"{100 * result.value:.2f}{half}"


def _notes(scored: int, recommenders: dict[str, str]) -> list[str]:
    notes = [
        "per cent; ±: half the width of the 95 % interval over readers, which knows nothing of the spread over seeds",
        "AUC, MRR and nDCG per impression, then averaged. AWRS's own tables are left out: they pool the AUC over the "
        "candidates of all impressions and rank the first click only. For the models without numbers none per "
        "impression are known to be published on MIND-small",
        f"impressions scored: {scored:,}",
    ]
    if scored != IMPRESSIONS:
        notes.append(
            f"THESE ARE NOT MIND-small's {IMPRESSIONS:,}: nothing here can be compared with the papers' numbers"
        )
    if {*FED} & {*recommenders}:
        notes.append(f"{' and '.join(FED)} are taught event by event, by the clicks of the dev day, too")
    if any("words=" not in spec and "plm=" not in spec for model, spec in recommenders.items() if model not in FED):
        notes.append("without --glove word vectors start at random; the papers start from GloVe 840B.300d")
    return notes


def check(mind: Path, glove: Path | None) -> None:
    """Leave with a word on how to get what is missing."""
    if not any(mind.rglob("behaviors.tsv")):
        source = find_source("mind-small")
        raise SystemExit(
            f"{mind} holds no behaviors.tsv. Get MIND-small with\n  newsreplay data fetch mind-small --to {mind}\n"
            f"{source.terms}\n{source.page}"
        )
    if glove is not None and not glove.is_file():
        raise SystemExit(
            f"there is no file {glove}. Get word vectors from\n  {GLOVE}\nand unpack them, or leave it out"
        )


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mind", type=Path, required=True, help="folder of MINDsmall_train and MINDsmall_dev")
    parser.add_argument("--glove", type=Path, help="word vectors, text")
    parser.add_argument("--plm", help=f"a language model, folder or name, for {', '.join(OF_LANGUAGE_MODELS)}")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--size", default="paper", help="paper, small or tiny")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--epochs", type=int, help="at most; by default the size's own")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep the run folder there")
    given = parser.parse_args(words)
    check(given.mind, given.glove)
    recommenders = specs(given.models.split(","), given.size, given.device, given.glove, given.epochs, given.plm)
    try:
        run = newsreplay.run(
            data=f"mind:{given.mind}",
            preparing={"history": "static"},
            split="official",
            recommenders=list(recommenders.values()),
            seed=given.seed,
            jobs=1,  # models do not share a GPU
            out=given.out,
            progress=_progress if sys.stderr.isatty() else None,
        )
    except newsreplay.NewsreplayError as error:
        raise SystemExit(str(error)) from None
    print(table(run, recommenders))
    if all(pair["status"] == "failed" for pair in run.info["pairs"]):
        raise SystemExit("every model failed")


def _progress(what: str, done: int, of: int) -> None:
    print(f"\r{what} {done / of:.1%}", end="" if done < of else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
