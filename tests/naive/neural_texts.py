"""A slow reader of word vector files: one line after the other, every number by Python's own rules."""

from __future__ import annotations

import math
import re

import numpy as np

NUMBER = re.compile(rb"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?")


def read_vectors(lines: list[bytes], width: int) -> tuple[dict[bytes, list[float]], int]:
    """The vectors of words as float32 values, the first line of each word counts; and how many lines are no such."""
    vectors: dict[bytes, list[float]] = {}
    skipped = 0
    for line in lines:
        fields = line.rstrip(b" \t\r\n\v\f").split(b" ")
        word, numbers = b" ".join(fields[:-width]), fields[-width:]
        with np.errstate(over="ignore"):  # to infinity
            values = [float(np.float32(float(number))) for number in numbers if NUMBER.fullmatch(number)]
        if word and len(values) == width and all(math.isfinite(value) for value in values):
            vectors.setdefault(word, values)
        else:
            skipped += 1
    return vectors, skipped
