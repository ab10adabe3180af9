"""What every neural model costs beside NRMS: training, reading articles, answering, memory.

    python benchmarks/neural_models.py [--models nrms,crown] [--size small] [--impressions 3000] [--repeats 3]

Each model is measured in processes of its own, one after the other, `repeats` rounds over all of them; figures are
medians, and beside them the ratio to NRMS. The log is that of `benchmarks/neural.py`, with abstracts and subcategories.

training    ms a click: batches of the size's `Training`, each with its negatives, by gradient steps
encoding    ms an article, from its texts, when the model has changed
answering   ms an impression of 38 candidates, when articles have been encoded
memory      MB, the most that the process held above what it held before the model was made
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

sys.path[:0] = [str(Path(__file__).parent.parent), str(Path(__file__).parent)]

from neural import ARTICLES, WORDS, made_up, seconds

from newsreplay.log.catalog import Articles
from newsreplay.recommenders.built_ins import BUILT_IN
from newsreplay.recommenders.neural.learned import Learned, Surroundings
from newsreplay.recommenders.neural.learning.requests import batch_of
from newsreplay.recommenders.neural.learning.samples import clicks
from newsreplay.recommenders.registry import start_list
from newsreplay.simulator.replay.replay import replay

NEURAL = [name for name, record in BUILT_IN.items() if record.family == "neural"]
FIGURES = {
    "training": "training, ms a click",
    "encoding": "encoding, ms an article",
    "answering": "answering, ms an impression",
    "memory": "memory, MB",
}
STEPS = 20  #: of training, a round


def with_facts(articles: Articles) -> Articles:
    """The same articles with abstracts and subcategories."""
    rng = np.random.default_rng(1)
    lengths = rng.normal(35, 10, ARTICLES).clip(5).astype(int)
    facts = {
        "abstract": [" ".join(f"word{word}" for word in rng.zipf(1.2, n) % WORDS) for n in lengths],
        "subcategory": [f"sub{number}" for number in rng.integers(0, 200, ARTICLES)],
    }
    texts = {name: (pa.array(values, pa.large_string()), np.arange(ARTICLES)) for name, values in facts.items()}
    return articles._replace(texts=articles.texts | texts)


def held() -> float:
    """MB that the process has held at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


def measured(name: str, size: str, impressions: int) -> dict[str, float]:
    """The figures of one model."""
    log, articles = made_up(impressions)
    [entry] = start_list(f"{name}(size={size}, warmup=2d, candidates=0, epochs=1)")
    recommender = entry.make()
    replay(log, recommender, articles=with_facts(articles))
    recommender.settle()
    samples = recommender.collector.complete(recommender.now)
    assert samples is not None
    before = held()
    around = Surroundings(recommender.catalog, recommender.key, graph=recommender.graph)
    learned = Learned.fresh(recommender.blueprint, range(ARTICLES), around)
    learned.look_around()
    trainer, cache = learned.trainer, learned.scorer.cache
    trainer.meet(samples)
    impression, place = clicks(samples)
    rng = np.random.default_rng(0)

    def train(steps: int) -> None:
        for _ in range(steps):
            some = rng.integers(0, len(impression), trainer.training.batch)
            trainer.step(trainer.batch(samples, impression[some], place[some], rng))

    def encode() -> None:
        cache.renew()
        cache.ensure(np.arange(1, ARTICLES + 1))

    requests = batch_of(samples, trainer.articles, trainer.context, trainer.users_of)
    some = requests.some(np.arange(min(512, len(requests.user))))

    def answer() -> None:
        learned.scorer.scores(some, np.zeros(len(some.user), bool))

    train(2)
    encode()
    answer()
    return {
        "training": seconds(lambda: train(STEPS)) / STEPS / trainer.training.batch * 1e3,
        "encoding": seconds(encode) / ARTICLES * 1e3,
        "answering": seconds(answer) / len(some.user) * 1e3,
        "memory": held() - before,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(NEURAL))
    parser.add_argument("--size", default="small")
    parser.add_argument("--impressions", type=int, default=3_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        torch.set_num_threads(1)
        print(json.dumps(measured(options.one, options.size, options.impressions)))
        return
    names = list(dict.fromkeys(["nrms", *options.models.split(",")]))
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    command = [sys.executable, __file__, "--size", options.size, "--impressions", str(options.impressions), "--one"]
    for _ in range(options.repeats):
        for name in names:
            done = subprocess.run([*command, name], check=True, capture_output=True, text=True, env=os.environ)
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    print(f"size {options.size}, {options.impressions:,} impressions, one thread, torch {torch.__version__}, ", end="")
    print(f"medians of {options.repeats}\n")
    print("| model | " + " | ".join(f"{title} | × nrms" for title in FIGURES.values()) + " |")
    print("|---|" + "---:|" * 2 * len(FIGURES))
    middle = {
        name: {figure: statistics.median(one[figure] for one in rounds) for figure in FIGURES}
        for name, rounds in found.items()
    }
    for name, of in middle.items():
        cells = [f"{of[figure]:.3g} | {of[figure] / middle['nrms'][figure]:.1f}" for figure in FIGURES]
        print(f"| `{name}` | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
