"""Named splits: stretches of time that a data set itself says are scored."""

from __future__ import annotations

from newsreplay.datasets.store import Dataset
from newsreplay.errors import NewsreplayError


def split_span(dataset: Dataset, split: str) -> tuple[int, int | None]:
    """Warm-up and window, ms, of a data set's named split. Raises `NewsreplayError` if it has none of that name."""
    splits = dataset.card["splits"]
    if split not in splits:
        known = f"it has {', '.join(splits)}" if splits else "it has none; use --warmup and --window"
        raise NewsreplayError(f"{dataset.name} has no split {split!r}; {known}")
    begin, end = splits[split]
    first = min(facts["first"] for facts in dataset.card["publishers"])
    if begin < first:
        raise NewsreplayError(f"the split {split!r} begins before the data do; is a part of them missing?")
    if begin > max(facts["last"] for facts in dataset.card["publishers"]):
        raise NewsreplayError(f"the split {split!r} begins after the data end; is a part of them missing?")
    return begin - first, None if end is None else end - begin
