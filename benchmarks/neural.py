"""How fast an NRMS of full size trains, scores and replays, against its naive form in the same run.

    python benchmarks/neural.py [--impressions 24000] [--repeats 3] [--threads 2] [--size paper]

Naive is the same model, the same numbers: every slot of a batch encoded anew, every impression scored by itself from
its titles. The log is made up, shaped like MIND: titles of 12 words, histories of up to 50 reads, 38 candidates.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

sys.path.insert(0, str(Path(__file__).parent.parent))

from newsreplay.log.catalog import Articles, Profiles, bare_articles
from newsreplay.log.rows import HOUR, IMPRESSION, OUTCOME, PUBLISH, READ, Log, make_log
from newsreplay.recommenders.neural.learned import Learned, Surroundings
from newsreplay.recommenders.neural.learning.requests import batch_of
from newsreplay.recommenders.neural.learning.samples import Samples, clicks, negatives
from newsreplay.recommenders.neural.learning.scoring import Scorer
from newsreplay.recommenders.neural.learning.training import Trainer
from newsreplay.recommenders.neural.models.fields import Columns
from newsreplay.recommenders.neural.models.model import Offered, Read, click_loss
from newsreplay.recommenders.neural.recommenders import NRMS
from newsreplay.simulator.replay.replay import replay

ARTICLES, READERS, POOL = 3_000, 4_000, 38
WORDS = 20_000


def made_up(impressions: int, seed: int = 0) -> tuple[Log, Articles]:
    """A log like MIND's: impressions with one or two clicks, each followed by its outcome and reads."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[int, int, int, int, int]] = []  # time, kind, user, item, impression
    pools, clicked = [], []
    rows += [(0, PUBLISH, -1, item, -1) for item in range(ARTICLES)]
    for number in range(impressions):
        at = HOUR + int(number * 24 * HOUR / impressions)
        user = int(rng.integers(READERS))
        pool = rng.choice(ARTICLES, POOL, replace=False)
        flags = np.zeros(POOL, bool)
        flags[: 1 + int(rng.random() < 0.3)] = True
        rows.append((at, IMPRESSION, user, -1, number))
        rows.append((at, OUTCOME, user, -1, number))
        rows += [(at, READ, user, int(item), -1) for item in pool[flags]]
        pools.append(pool)
        clicked.append(flags)
    return _log(rows, pools, clicked, rng)


def _log(rows: list[Any], pools: list[Any], clicked: list[Any], rng: np.random.Generator) -> tuple[Log, Articles]:
    times, kind, user, item, impression = (np.array(column) for column in zip(*rows, strict=True))
    codes, first, user = np.unique(user, return_index=True, return_inverse=True)
    order = np.argsort(first)  # codes count up by first appearance
    user = np.argsort(order)[user] - 1
    readers, row = np.arange(len(codes) - 1), np.sort(first)[1:]
    log = make_log(
        time=times,
        kind=kind,
        session=user,
        user=user,
        item=item,
        category=np.full(len(rows), -1),
        impression=impression,
        pools={
            "at": np.arange(len(pools) + 1) * POOL,
            "item": np.concatenate(pools),
            "clicked": np.concatenate(clicked),
        },
    )
    titles = [
        " ".join(f"word{word}" for word in rng.zipf(1.2, max(3, int(rng.normal(11.7, 4)))) % WORDS)
        for _ in range(ARTICLES)
    ]
    texts = {"title": (pa.array(titles, pa.large_string()), np.arange(ARTICLES))}
    # What readers read before the log, up to 50 articles of which some are read by many.
    at = np.concatenate([[0], np.cumsum(rng.integers(5, 51, len(readers)))])
    read = rng.zipf(1.3, at[-1]) % ARTICLES
    nothing = pa.record_batch({"id": pa.array([], pa.large_string())})
    profiles = Profiles(readers.astype(np.int32), row, at, read.astype(np.int32), nothing, False)
    return log, bare_articles(log)._replace(texts=texts, profiles=profiles)


def naive_forward(trainer: Trainer, history: Any, offered: Any) -> torch.Tensor:
    """Scores of [B, H] and [B, C] slots with every slot encoded by itself."""
    model, articles = trainer.model, trainer.articles

    def encoded(slots: Any) -> torch.Tensor:
        return model.encode(articles.contents(slots.ravel())).unflatten(0, slots.shape)

    def nothing(slots: Any) -> Columns:
        return Columns((), torch.zeros(*slots.shape, 0))

    vectors = model.reading(encoded(history).flatten(0, 1)).unflatten(0, history.shape)
    user = torch.ones(len(history), dtype=torch.int64)
    readers = model.readers(Read(vectors, torch.from_numpy(history > 0), nothing(history), nothing(history), user))
    return model.score(readers, Offered(encoded(offered), nothing(offered), nothing(offered)))


def train_naively(trainer: Trainer, samples: Samples, impression: Any, place: Any, rng: np.random.Generator) -> None:
    trainer.model.train()
    batch, history, offered = slots_of(trainer, samples, impression, place, rng)
    scores = naive_forward(trainer, history, offered)
    loss = click_loss(scores, scores, batch.real, batch.drawn)
    trainer.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(trainer.optimiser.param_groups[0]["params"], trainer.training.clip)
    trainer.optimiser.step()


def slots_of(trainer: Trainer, samples: Samples, impression: Any, place: Any, rng: np.random.Generator) -> Any:
    """A batch, and the slots of its history (all 50 places) and its candidates."""
    state = rng.bit_generator.state
    batch = trainer.batch(samples, impression, place, rng)
    rng.bit_generator.state = state
    passed, real = negatives(samples, impression, trainer.training.npratio, rng)
    offered = trainer.articles.slots(samples.item[np.column_stack([place, passed])])
    offered[:, 1:][~real] = 0
    return batch, trainer.articles.slots(samples.history[impression]), offered


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--impressions", type=int, default=24_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", default="paper")
    options = parser.parse_args()
    log, articles = made_up(options.impressions)
    print(f"{len(log.time):,} rows, {options.impressions:,} impressions, {options.threads} threads, torch", end=" ")
    print(torch.__version__)

    idle = NRMS(size=options.size, warmup="2d", candidates=0, threads=options.threads, popularity=None)
    took = [replay(log, idle, articles=articles).seconds for _ in range(options.repeats)]
    keeping = statistics.median(took) / len(log.time)
    print(f"state keeping {1e6 * keeping:.2f} µs an event (a replay that never trains, the walk included)")

    fitted = NRMS(
        size=options.size, warmup="2d", candidates=0, threads=options.threads, epochs=1, update="none", popularity=None
    )
    replay(log, fitted, articles=articles)
    fitted.settle()
    samples = fitted.collector.complete(fitted.now)
    assert samples is not None
    fitted.learned = Learned.fresh(fitted.blueprint, range(ARTICLES), Surroundings(fitted.catalog, fitted.key))
    trainer = fitted.learned.trainer
    trainer.meet(samples)
    impression, place = clicks(samples)
    equal_batches(trainer, samples, impression[:64], place[:64])
    train(trainer, samples, impression, place, options.repeats)
    score(trainer, samples, options.repeats)
    replayed(options, log, articles, fitted, trainer, samples)


def equal_batches(trainer: Trainer, samples: Samples, impression: Any, place: Any) -> None:
    """Both forms score alike."""
    batch, history, offered = slots_of(trainer, samples, impression, place, np.random.default_rng(1))
    trainer.model.eval()
    with torch.inference_mode():
        ours = trainer.model(batch.contents, batch.requests)
        naive = naive_forward(trainer, history, offered)
    off = float((ours - naive).abs().max() / naive.abs().max())
    print(f"a batch's scores differ from the naive ones by at most {off:.1e} of the largest")
    assert off < 1e-5


def train(trainer: Trainer, samples: Samples, impression: Any, place: Any, repeats: int) -> None:
    naive, ours = [], []
    for repeat in range(repeats + 1):  # the first warms up
        rng = np.random.default_rng(repeat)
        few = slice(64 * repeat, 64 * repeat + 64)
        begun = time.perf_counter()
        train_naively(trainer, samples, impression[few], place[few], rng)
        naive.append((time.perf_counter() - begun) / 64)
        many = np.arange(8 * 64 * repeat, 8 * 64 * (repeat + 1)).reshape(-1, 64) % len(impression)
        begun = time.perf_counter()
        for one in many:
            trainer.step(trainer.batch(samples, impression[one], place[one], rng))
        ours.append((time.perf_counter() - begun) / many.size)
    trainer.scorer.cache.renew()
    print(f"training: naive {1 / statistics.median(naive[1:]):,.0f} clicks/s,", end=" ")
    print(f"distinct articles once, trimmed {1 / statistics.median(ours[1:]):,.0f} clicks/s,", end=" ")
    print(f"{statistics.median(naive[1:]) / statistics.median(ours[1:]):.1f} times")


def score(trainer: Trainer, samples: Samples, repeats: int) -> None:
    batch = batch_of(samples, trainer.articles, trainer.context, trainer.users_of)
    slate = np.zeros(len(batch.user), bool)
    trainer.scorer.scores(batch, slate)
    ours = [seconds(lambda: trainer.scorer.scores(batch, slate)) / len(batch.user) for _ in range(repeats)]
    few = range(40)
    found: list[Any] = []

    def naively() -> None:
        found.clear()
        trainer.model.eval()
        with torch.inference_mode():
            for i in few:
                offered = batch.slot[batch.at[i] : batch.at[i + 1]]
                found.append(naive_forward(trainer, batch.history[i : i + 1], offered[None])[0].numpy())

    naive = [seconds(naively) / len(few) for _ in range(repeats)]
    kept = trainer.scorer.scores(batch, slate)[: batch.at[len(few)]]
    off = float(np.abs(np.concatenate(found) - kept).max() / np.abs(kept).max())
    print(f"scores from the cache differ from the naive ones by at most {off:.1e} of the largest")
    assert off < 1e-5
    print(f"scoring: naive {1 / statistics.median(naive):,.0f} impressions/s,", end=" ")
    print(f"cached {1 / statistics.median(ours):,.0f} impressions/s,", end=" ")
    print(f"{statistics.median(naive) / statistics.median(ours):.0f} times")


def replayed(options: Any, log: Log, articles: Articles, fitted: Any, trainer: Trainer, samples: Samples) -> None:
    """A replay with update=none against bare cached scoring of the same impressions."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "nrms.safetensors"
        fitted.save_weights(path)
        batch = batch_of(samples, trainer.articles, trainer.context, trainer.users_of)
        slate = np.zeros(len(batch.user), bool)
        bare, whole = [], []
        for _ in range(options.repeats):
            begun = time.perf_counter()
            Scorer(trainer.model, trainer.scorer.cache).scores(batch, slate)
            bare.append(time.perf_counter() - begun)
            frozen = NRMS(weights=str(path), update="none", candidates=0, threads=options.threads)
            whole.append(replay(log, frozen, articles=articles).seconds)
    print(f"replay with update=none: {len(batch.user) / statistics.median(whole):,.0f} impressions/s,", end=" ")
    print(f"bare cached scoring {len(batch.user) / statistics.median(bare):,.0f},", end=" ")
    print(f"{statistics.median(bare) / statistics.median(whole):.0%} as fast")


if __name__ == "__main__":
    main()
