"""Data that were found once, found again: by what was asked for then, or elsewhere, read in the same way."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from newsreplay.datasets.base import Asked
from newsreplay.datasets.find import Streaming, find_data, name_meant
from newsreplay.datasets.first_rows import first_rows
from newsreplay.datasets.store import Dataset

if TYPE_CHECKING:
    import pandas as pd


def find_again(asked: Asked, data: str | Path | pd.DataFrame | Streaming | Dataset) -> Dataset:
    """What `data` names, shaped as `asked` says: its columns, its preparing, its first rows.

    What is prepared under a name has its columns and its shape already. Raises `DataError`.
    """
    if isinstance(data, str) and name_meant(data):
        dataset = find_data(data)
    else:
        dataset = find_data(data, columns=asked.columns or None, preparing=asked.preparing or None)
    return first_rows(dataset, asked.limit)
