"""A clock for kernels. Importing this module imports numba."""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from newsreplay.kernels.compiling import kernel

#: CLOCK_MONOTONIC of the C library; the number differs.
_MONOTONIC = 6 if sys.platform == "darwin" else 1
_build: Any = cgutils  # untyped


def _typed(context: Any) -> Any:
    """`clock_gettime` of the C library as nanoseconds; found by its name, so that it can be cached on disk."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word, half = ir.IntType(64), ir.IntType(32)
        moment = _build.alloca_once(builder, ir.LiteralStructType([word, word]))  # seconds, nanoseconds
        declared = ir.FunctionType(half, [half, moment.type])
        function = _build.get_or_insert_function(builder.module, declared, "clock_gettime")
        builder.call(function, [half(_MONOTONIC), moment])
        second, rest = (builder.load(_build.gep_inbounds(builder, moment, 0, place)) for place in range(2))
        return builder.add(builder.mul(second, word(1_000_000_000)), rest)

    return types.int64(), generate


_clock_gettime: Any = intrinsic(_typed)


@kernel
def nanoseconds() -> int:
    """A clock that only goes forward, in ns since some moment, for kernels."""
    now: int = _clock_gettime()
    return now
