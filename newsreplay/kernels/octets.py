"""Eight bytes of a text at once, for kernels that look through much of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from newsreplay.kernels.compiling import int64, kernel

_ONES, _HIGH = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_WORD = ir.IntType(64)


Llvm: TypeAlias = Any  #: types, values and builders of code, which numba and llvmlite have no types for
_intrinsic: Callable[[Callable[..., Llvm]], Callable[..., Llvm]] = intrinsic  # numba's type lacks what it adds


@_intrinsic
def _load(typing: Llvm, data: Llvm, at: Llvm) -> Llvm:
    """The eight bytes of an array of bytes from `at` on, which need not be a multiple of eight."""

    def generate(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        word = builder.load(builder.bitcast(builder.gep(array.data, [args[1]]), _WORD.as_pointer()))
        word.align = 1
        return word

    return types.uint64(data, types.int64), generate


@_intrinsic
def put_octets(typing: Llvm, data: Llvm, at: Llvm, word: Llvm) -> Llvm:
    """Write eight bytes into an array of bytes from `at` on, where there must be as many."""

    def generate(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        place = builder.bitcast(builder.gep(array.data, [args[1]]), _WORD.as_pointer())
        builder.store(args[2], place).align = 1
        return context.get_dummy_value()

    return types.none(data, types.int64, types.uint64), generate


@_intrinsic
def _trailing_zeros(typing: Llvm, word: Llvm) -> Llvm:
    def generate(context: Llvm, builder: Llvm, signature: Llvm, args: Llvm) -> Llvm:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@kernel
def octets(data: Any, at: int) -> np.uint64:
    """The bytes of `data` from `at` on, the first one lowest; beyond its end they are 0."""
    if at + 8 <= data.size:
        word: np.uint64 = _load(data, at)
        return word
    word = np.uint64(0)
    for place in range(data.size - 1, at - 1, -1):
        word = word << np.uint64(8) | np.uint64(data[place])
    return word


@kernel
def repeated(byte: int) -> np.uint64:
    """Eight times the same byte."""
    return np.uint64(byte) * _ONES


@kernel
def zeros(word: np.uint64) -> np.uint64:
    """A mark (the highest bit) in each byte that is 0, and perhaps in a 1 above such a one."""
    return (word - _ONES) & ~word & _HIGH


@kernel
def below(word: np.uint64, byte: int) -> np.uint64:
    """A mark in each byte that is less than one of up to 128, and perhaps in others above such a one."""
    return (word - repeated(byte)) & ~word & _HIGH


@kernel
def digits_of(word: np.uint64) -> int:
    """The number that eight digits are, the first one lowest; -1 if they are no digits."""
    digits = word ^ repeated(48)
    if ((digits + repeated(0x76)) | digits) & _HIGH:  # above 9
        return int64(-1)
    digits = digits * np.uint64(10) + (digits >> np.uint64(8))
    pairs = (digits & np.uint64(0x000000FF000000FF)) * np.uint64(0x000F424000000064)
    pairs += (digits >> np.uint64(16) & np.uint64(0x000000FF000000FF)) * np.uint64(0x0000271000000001)
    return int64(pairs >> np.uint64(32))


@kernel
def first_marked(marks: np.uint64) -> int:
    """The number of the lowest byte with a mark; there must be one."""
    return int64(_trailing_zeros(marks) >> np.uint64(3))
