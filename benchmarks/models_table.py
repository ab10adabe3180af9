"""All models of news on the same rows of MIND's sample, in one table: quality, cost, and what papers print.

    python benchmarks/models_table.py --mind DIR --out RUN [--models nrms,naml,…] [--rows 8515]
        [--options "update=none, candidates=0"]

DIR holds `behaviors.tsv` and `news.tsv` of the sample of MIND. By default the first 8,515 rows are replayed, 9 November
to noon of the 11th, 2019: models learn from the first day, 439 impressions, and are scored on the other 1,159. Every
neural model is of size `small` and has the options besides; one recommender at a time, so that costs can be compared.

RUN is the run folder. What it has is not replayed again: the same command goes on with a run that was interrupted, and
with more models, or when some failed, adds what it lacks. The table is printed as Markdown.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parent))

from reproduce_mind import FED, METRICS, OPTIONS, PUBLISHED

import newsreplay
from newsreplay.recommenders.built_ins import PRESETS
from newsreplay.report.facts import costs_of
from newsreplay.report.records import Costs
from newsreplay.spec import Spec, parse_spec

RULES = ("random", "popular", "trend", "counters")  #: what every model must be better than
MODELS = (*RULES, *FED, *PRESETS["neural"])
ROWS = 8_515  #: 1,598 impressions of the sample of MIND
COSTS = ("train s", "update s", "answer ms", "processor s")


def specs(models: list[str], options: str) -> dict[str, str]:
    """The recommenders to run, as specs by model: neural ones with the options, and as published where that differs."""
    given = parse_spec(f"all({options})").parameters
    return {
        model: str(Spec(model, (*given, *OPTIONS.get(model, ())) if model in PRESETS["neural"] else ()))
        for model in models
    }


def replayed(mind: Path, out: Path, recommenders: list[str], rows: int) -> newsreplay.Run:
    """The run of these recommenders: gone on with, added to, or begun. Raises `NewsreplayError`."""
    progress = _progress if sys.stderr.isatty() else None
    if out.with_name(f"{out.name}.partial").exists():
        newsreplay.resume(out, jobs=1, progress=progress)
    if not (out / "run.json").exists():
        return newsreplay.run(
            f"mind:{mind}",
            recommenders,
            limit=rows,
            warmup="1d",
            slates=False,
            jobs=1,
            out=out,
            progress=progress,
        )
    run = newsreplay.open(out)
    if run.info["data"]["options"].get("limit") != rows:
        raise SystemExit(f"{out} has other rows than the first {rows:,}; name another folder with --out")
    done = {pair["recommender"] for pair in run.info["pairs"] if pair["status"] == "done"}
    lacking = [spec for spec in recommenders if spec not in done]
    return newsreplay.add(out, lacking, jobs=1, progress=progress) if lacking else run


def table(run: newsreplay.Run, recommenders: dict[str, str]) -> str:
    """Quality beside cost and published figures, best AUC first; below it what failed and what must be known."""
    [publisher] = run.publishers
    measured = {(result.recommender, result.metric): result for result in run.results}
    costs = costs_of(run, publisher)
    spent = {pair["recommender"]: pair["stages"]["replay"] for pair in run.timing["pairs"]}
    failed = {pair["recommender"]: pair["error"] for pair in run.info["pairs"] if pair["status"] == "failed"}
    rows: list[tuple[float, list[str]]] = []
    for model, spec in recommenders.items():
        results = [measured.get((spec, metric)) for metric in METRICS]
        if spec in failed or spec not in costs or results[0] is None or results[0].value is None:
            continue
        auc = results[0]
        half = "" if auc.low is None else f" ±{50 * (auc.high - auc.low):.2f}"
        ours = [_per_cent(None if result is None else result.value) for result in results]
        papers = [_per_cent(paper.numbers[model][0] / 100) if model in paper.numbers else "–" for paper in PUBLISHED]
        rows.append((-auc.value, [f"`{model}`", ours[0] + half, *ours[1:], *_costs(costs[spec], spent[spec]), *papers]))
    heads = ["model", *METRICS.values(), *COSTS, *(f"AUC, {paper.where.partition(',')[0]}" for paper in PUBLISHED)]
    body = [cells for _, cells in sorted(rows, key=lambda row: row[0])]
    right = ["left", *["right"] * (len(heads) - 1)]
    text = tabulate(body, heads, tablefmt="pipe", disable_numparse=True, colalign=right) if body else ""
    scored = max((result.n for result in run.results if result.metric == "auc"), default=0)
    wrong = [f"`{spec}` failed: {error}" for spec, error in failed.items()]
    return "\n".join([text, "", *wrong, *_notes(scored, recommenders)])


def _costs(costs: Costs, processor: float) -> list[str]:
    spent = (costs["train_s"], costs["update_s"], costs["answer_ms"])
    cells = [f"{value:,.{digits}f}" if value else "–" for value, digits in zip(spent, (1, 1, 2), strict=True)]
    return [*cells, f"{processor:,.1f}"]


def _per_cent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"


def _notes(scored: int, recommenders: dict[str, str]) -> list[str]:
    notes = [
        f"Per cent, {scored:,} impressions, one seed; ±: half the width of the 95 % interval over readers, which knows "
        "nothing of the spread over seeds. train, update: seconds by the clock; answer: mean over answers worked out "
        "together; processor: seconds of a whole replay, all of these included.",
        "Papers' figures are of all of MIND-small, trained on five days with word vectors or language models that are "
        "given: they tell how models are ranked there, and cannot be compared with ours.",
    ]
    neural = [spec for model, spec in recommenders.items() if model in PRESETS["neural"]]
    if neural:
        notes.append(f"Neural models are as `{neural[0]}`, without word vectors or a language model that is given.")
    return notes


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mind", type=Path, required=True, help="folder with behaviors.tsv and news.tsv")
    parser.add_argument("--out", type=Path, required=True, help="the run folder, begun or to be made")
    parser.add_argument("--models", help="names, by default all of news that there are, and rules beside them")
    parser.add_argument("--rows", type=int, default=ROWS, help="first rows of the log that are replayed")
    parser.add_argument("--options", default="update=none, candidates=0", help="of every neural model")
    given = parser.parse_args(words)
    if not (given.mind / "behaviors.tsv").is_file():
        raise SystemExit(f"{given.mind} holds no behaviors.tsv; name the folder of MIND's sample, or of a split of it")
    models = list(MODELS) if given.models is None else given.models.split(",")
    if given.models is None and find_spec("vaderSentiment") is None:
        models.remove("sentirec")
        print('sentirec is left out: pip install "newsreplay[sentiment]"', file=sys.stderr)
    try:
        recommenders = specs(models, given.options)
        run = replayed(given.mind, given.out, list(recommenders.values()), given.rows)
    except newsreplay.NewsreplayError as error:
        raise SystemExit(str(error)) from None
    print(table(run, recommenders))


def _progress(what: str, done: int, of: int) -> None:
    print(f"\r{what} {done / of:.1%}", end="" if done < of else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
