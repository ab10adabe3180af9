"""The slow, obvious oracle of `counters`: one pass over the log with lists and dicts, weights by name."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from typing import Any

import lightgbm
import numpy as np

from newsreplay.log.rows import HISTORY, HOUR, IMPRESSION, OUTCOME, READ, Log
from tests.naive.baselines import clicked_of, draw, pool_of

MINUTES = (10, 60, 360, 1440)
Feature = tuple[Any, ...]


class Ftrl:
    """FTRL-proximal of binary features (McMahan et al. 2013, algorithm 1; beta = 1)."""

    def __init__(self, rate: float, l1: float, l2: float) -> None:
        self.rate, self.l1, self.l2 = rate, l1, l2
        self.z: defaultdict[Feature, float] = defaultdict(float)
        self.n: defaultdict[Feature, float] = defaultdict(float)

    def weight(self, feature: Feature) -> float:
        z = self.z[feature]
        if abs(z) <= self.l1:
            return 0.0
        return -(z - math.copysign(self.l1, z)) / ((1 + math.sqrt(self.n[feature])) / self.rate + self.l2)

    def logit(self, features: list[Feature]) -> float:
        return math.fsum(map(self.weight, features))

    def train(self, features: list[Feature], clicked: bool) -> None:
        gradient = 1 / (1 + math.exp(-self.logit(features))) - clicked
        weights = [self.weight(feature) for feature in features]
        for feature, weight in zip(features, weights, strict=True):
            sigma = (math.sqrt(self.n[feature] + gradient**2) - math.sqrt(self.n[feature])) / self.rate
            self.z[feature] += gradient - sigma * weight
            self.n[feature] += gradient**2


def half_octaves(value: float) -> int:
    return min(math.floor(2 * math.log2(1 + value) + 0.5), 23)


def quarter_octaves(ratio: float) -> int:
    return min(max(math.floor(4 * math.log2(ratio) + 0.5) + 12, 0), 23)


class CountersByHand:
    """All that happened so far, as lists, and the two models."""

    def __init__(self, log: Log, key: int, *, hours: int, rate: float, l1: float, l2: float, leaky: bool) -> None:
        self.log, self.key, self.hours = log, key, hours
        self.clicks, self.reads = Ftrl(rate, l1, l2), Ftrl(rate, l1, l2)
        self.counted: dict[str, list[tuple[int, int]]] = {"reads": [], "shown": [], "clicked": []}  # time, article
        self.known: dict[int, int] = {}
        self.category: dict[int, int] = {}
        self.alive: list[int] = []
        self.touched: dict[int, int] = {}
        self.mine: list[tuple[int, int, int | None, int]] = []  # user, session, category, article of each read
        self.outcomes = False
        self.future = self.what_will_be_shown() if leaky else None

    def what_will_be_shown(self) -> list[tuple[int, int]]:
        rows = range(len(self.log.time))
        shown = [(int(self.log.time[row]), item) for row in rows if self.log.kind[row] == IMPRESSION
                 for item in pool_of(self.log, row)]  # fmt: skip
        read = [(int(self.log.time[row]), int(self.log.item[row])) for row in rows if self.log.kind[row] >= READ]
        return shown if (self.log.kind == IMPRESSION).any() else read

    def forget(self, now: int) -> None:
        """Take out of the list of the living, by the last, whoever was not touched in the window."""
        place = 0
        while place < len(self.alive):
            if self.touched[self.alive[place]] > now // HOUR - self.hours:
                place += 1
            else:
                self.alive[place] = self.alive[-1]
                self.alive.pop()

    def touch(self, item: int, now: int) -> None:
        self.touched[item] = now // HOUR
        if item not in self.alive:
            self.alive.append(item)

    def mean(self, now: int) -> float:
        inside = {
            what: sum(time // HOUR > now // HOUR - self.hours for time, _ in self.counted[what])
            for what in self.counted
        }
        if self.outcomes:
            return min(0.5, (inside["clicked"] + 1) / (inside["shown"] + 2))
        return min(0.5, 1 / (len(self.alive) + 1))

    def values(self, item: int, now: int) -> dict[str, float]:
        values: dict[str, float] = {}
        mean = self.mean(now)
        for span in MINUTES:
            faded = {
                what: math.fsum(
                    0.5 ** ((now - time) / (span * 60_000)) for time, other in self.counted[what] if other == item
                )
                for what in self.counted
            }
            values |= {f"reads{span}": faded["reads"], f"shown{span}": faded["shown"]}
            values[f"rate{span}"] = (faded["clicked"] + 1) / (faded["shown"] + 1 / mean) / mean
        values["age"] = (now - self.known[item]) / 600_000
        if self.future is not None:
            values["next"] = sum(other == item and now < time <= now + HOUR for time, other in self.future)
        return {name: float(np.float32(value)) for name, value in values.items()}

    def features(self, row: int, item: int, view: int | None) -> list[Feature]:
        now, user, session = int(self.log.time[row]), int(self.log.user[row]), int(self.log.session[row])
        values = self.values(item, now)
        features: list[Feature] = [("constant",)]
        features += [
            (name, quarter_octaves(value) if name.startswith("rate") else half_octaves(value))
            for name, value in values.items()
        ]
        last = [time for time, other in self.counted["reads"] if other == item]
        features.append(("idle", min(half_octaves((now - last[-1]) / 60_000), 22) if last else "never"))
        category = self.category.get(item)
        read = [one[2] for one in self.mine if one[0] == user]
        share = read.count(category) / len(read) if read else 0.0
        features.append(("taste", None if category is None else math.floor(10 * share)))
        features.append(("view", None if category is None else (view is not None, view == category)))
        features.append(("hour", now // HOUR % 24 // 3, half_octaves(values["age"])))
        position = min(sum(one[1] == session for one in self.mine), 3) if session >= 0 else 0
        features.append(("position", position, half_octaves(values["reads60"])))
        return features

    def with_ranks(self, row: int, pool: list[int], view: int | None) -> list[list[Feature]]:
        """The features of all candidates of a pool."""
        now = int(self.log.time[row])
        values = [self.values(item, now) for item in pool]
        ranked = []
        for item, own in zip(pool, values, strict=True):
            features = self.features(row, item, view)
            for name, value in own.items():
                lower = math.fsum((other[name] < value) + (other[name] == value) / 2 for other in values)
                features.append(("rank", name, math.floor(lower * 24 / (len(pool) + 0.5))))
            ranked.append(features)
        return ranked

    def view(self, row: int, on_screen: bool) -> int | None:
        if on_screen and self.log.item[row] >= 0:
            return int(self.log.category[row]) if self.log.category[row] >= 0 else None
        articles = [one[3] for one in self.mine if one[1] == self.log.session[row] >= 0]
        return self.category.get(articles[-1]) if articles else None

    def score(self, row: int) -> list[float]:
        self.forget(int(self.log.time[row]))
        return list(map(self.clicks.logit, self.with_ranks(row, pool_of(self.log, row), self.view(row, True))))

    def slate(self, row: int) -> dict[int, float]:
        """The logits of all articles alive but the current one."""
        self.forget(int(self.log.time[row]))
        view = self.view(row, True)
        others = [item for item in self.alive if item != self.log.item[row]]
        return {item: self.reads.logit(self.features(row, item, view)) for item in others}

    def refit(self, row: int) -> None:
        """Nothing is fitted but row by row."""

    def note(self, row: int, what: str, items: list[int], hits: list[bool]) -> None:
        """No rows are kept."""

    def learn(self, row: int) -> None:
        now, kind, item = int(self.log.time[row]), int(self.log.kind[row]), int(self.log.item[row])
        self.forget(now)
        if kind in (READ, HISTORY) and item in self.alive:
            view = self.view(row, False)
            drawn = [self.alive[((draw(self.key, row, i) >> 32) * len(self.alive)) >> 32] for i in range(1, 21)]
            choice = [item, *(one for one in drawn if one != item)]
            for other in choice:
                self.reads.train(self.features(row, other, view), other == item)
            self.note(row, "reads", choice, [other == item for other in choice])
        pool = pool_of(self.log, row) if kind == OUTCOME else []
        clicked = clicked_of(self.log, row)
        if kind == OUTCOME:
            for features, hit in zip(self.with_ranks(row, pool, self.view(row, True)), clicked, strict=True):
                self.clicks.train(features, hit)
            self.note(row, "clicks", pool, clicked)
        if item >= 0 and item not in self.known:
            self.known[item] = now
            self.touch(item, now)
        if item >= 0 and self.log.category[row] >= 0:
            self.category[item] = int(self.log.category[row])
        if kind in (READ, HISTORY):
            self.counted["reads"].append((now, item))
            self.touch(item, now)
            self.mine.append((int(self.log.user[row]), int(self.log.session[row]), self.category.get(item), item))
        for other, hit in zip(pool, clicked, strict=True):
            self.outcomes = True
            self.touch(other, now)
            self.counted["shown"].append((now, other))
            self.counted["clicked"] += [(now, other)] if hit else []


class TreesByHand(CountersByHand):
    """The same counts ranked by LightGBM's own predictions, once it has been fitted."""

    def __init__(self, *arguments: Any, every: int = 6, rows: int = 100_000, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.every, self.size = every, rows
        self.rows: dict[str, list[tuple[list[float], bool, int]]] = {"reads": [], "clicks": []}
        self.booster: dict[str, lightgbm.Booster] = {}
        self.asked: set[str] = set()

    def numbers(self, row: int, item: int, view: int | None, others: list[dict[str, float]]) -> list[float]:
        """What trees are told of an article: the bins' numbers before they are binned, ranks as shares of the pool."""
        now, user, session = int(self.log.time[row]), int(self.log.user[row]), int(self.log.session[row])
        values = self.values(item, now)
        names = [f"{what}{span}" for what in ("reads", "shown", "rate") for span in MINUTES]
        names += ["age"] if self.future is None else ["age", "next"]
        last = [time for time, other in self.counted["reads"] if other == item]
        category = self.category.get(item)
        read = [one[2] for one in self.mine if one[0] == user]
        numbers = [
            (now - last[-1]) / 60_000 if last else -1,
            -1 if category is None else read.count(category) / len(read) if read else 0,
            0 if category is None else 1 + (view is not None) + (view == category),
            now // HOUR % 24,
            sum(one[1] == session for one in self.mine) if session >= 0 else -1,
            *(values[name] for name in names),
        ]
        numbers += [self.share_below(values[name], [other[name] for other in others]) for name in names]
        return numbers

    @staticmethod
    def share_below(value: float, column: list[float]) -> float:
        return sum((other < value) + (other == value) / 2 for other in column) / len(column) if column else 0.0

    def note(self, row: int, what: str, items: list[int], hits: list[bool]) -> None:
        others, view = self.pool_values(row, what, items), self.view(row, what == "clicks")
        self.rows[what] += [
            (self.numbers(row, item, view, others), hit, row) for item, hit in zip(items, hits, strict=True)
        ]

    def pool_values(self, row: int, what: str, items: list[int]) -> list[dict[str, float]]:
        """The values among which those of a candidate are ranked; none among all articles alive."""
        return [self.values(item, int(self.log.time[row])) for item in items] if what == "clicks" else []

    def refit(self, row: int) -> None:
        if row == 0 or self.log.time[row] // (self.every * HOUR) == self.log.time[row - 1] // (self.every * HOUR):
            return
        for what, noted in self.rows.items():
            kept = noted[-self.size :]
            if what not in self.asked or not kept:
                continue
            groups = Counter(group for _, _, group in kept)
            data = lightgbm.Dataset(
                np.array([numbers for numbers, _, _ in kept], np.float32),
                np.array([hit for _, hit, _ in kept], np.int32),
                group=[groups[group] for group in sorted(groups)],
            )
            options = {"objective": "lambdarank", "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 50,
                       "max_bin": 63, "num_threads": 1, "deterministic": True, "force_row_wise": True,
                       "verbose": -1}  # fmt: skip
            booster = lightgbm.train(options, data, 50)
            if booster.feature_importance().any():
                self.booster[what] = booster
        self.asked.clear()

    def predicted(self, what: str, row: int, items: list[int]) -> list[float]:
        others, view = self.pool_values(row, what, items), self.view(row, True)
        numbers = np.array([self.numbers(row, item, view, others) for item in items], np.float32)
        scores: list[float] = self.booster[what].predict(numbers, raw_score=True).tolist()  # type: ignore[union-attr]
        return scores

    def score(self, row: int) -> list[float]:
        pool = pool_of(self.log, row)
        self.asked |= {"clicks"} if pool else set()
        if "clicks" not in self.booster:
            return super().score(row)
        self.forget(int(self.log.time[row]))
        return self.predicted("clicks", row, pool)

    def slate(self, row: int) -> dict[int, float]:
        logits = super().slate(row)
        if logits:
            self.asked.add("reads")
        if "reads" not in self.booster or not logits:
            return logits
        return dict(zip(logits, self.predicted("reads", row, list(logits)), strict=True))
