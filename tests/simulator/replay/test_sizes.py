"""The size of a state: every object once, however it is held, and nothing that is not the state's."""

from __future__ import annotations

import mmap
import sys
import types
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from newsreplay.kernels.compiling import kernel
from newsreplay.simulator.replay.sizes import state_bytes

size = sys.getsizeof
NUMBERS = [10**6, 10**7, 10**8]


def test_a_number_is_as_large_as_python_says() -> None:
    assert state_bytes(10**40) == size(10**40)


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, deque])
def test_a_container_counts_with_its_elements(kind: Any) -> None:
    assert state_bytes(kind(NUMBERS)) == size(kind(NUMBERS)) + sum(map(size, NUMBERS))


@pytest.mark.parametrize("kind", [dict, OrderedDict, Counter])
def test_a_dict_counts_with_its_keys_and_values(kind: Any) -> None:
    held = kind({"a long key": 10**6, "another": 10**7})
    attributes = size(held.__dict__) if hasattr(held, "__dict__") else 0  # those of a subclass
    assert state_bytes(held) - attributes == (
        size(held) + size("a long key") + size("another") + size(10**6) + size(10**7)
    )


def test_what_is_held_twice_counts_once() -> None:
    inner = list(NUMBERS)
    assert state_bytes((inner, inner, inner[0])) == size((0, 0, 0)) + state_bytes(inner)


def test_a_ring_is_walked_once() -> None:
    ring: list[Any] = []
    ring.append({"ring": ring})
    assert state_bytes(ring) == size(ring) + size(ring[0]) + size("ring")


def test_depth_is_no_limit() -> None:
    chain: Any = ()
    for _ in range(100_000):
        chain = (chain,)
    assert state_bytes(chain) == 100_000 * size((0,)) + size(())


class WithDict:
    def __init__(self) -> None:
        self.numbers = list(NUMBERS)


class WithSlots:
    __slots__ = ("numbers", "unset")

    def __init__(self) -> None:
        self.numbers = list(NUMBERS)


class Named(NamedTuple):
    numbers: list[int]


def test_attributes_count_whether_they_lie_in_a_dict_or_in_slots() -> None:
    one, other = WithDict(), WithSlots()
    found = state_bytes(one)
    assert found == size(one) + size(one.__dict__) + size("numbers") + state_bytes(NUMBERS)
    assert state_bytes(one) == found  # to look changes nothing
    assert state_bytes(other) == size(other) + state_bytes(NUMBERS)
    assert state_bytes(Named(NUMBERS)) == size((0,)) + state_bytes(NUMBERS)


def test_an_array_counts_with_its_buffer_and_a_view_with_what_it_is_a_view_of() -> None:
    array = np.zeros(1_000)
    header = size(np.zeros(0))
    assert state_bytes(array) == header + 8_000
    part = array[:1]
    assert state_bytes(part) == size(part) + header + 8_000
    assert state_bytes([array, part, array[5:]]) == size([0] * 3) + header + 8_000 + 2 * size(part)


def test_an_array_of_objects_counts_with_them() -> None:
    array = np.array([10**6, "text", None], object)
    assert state_bytes(array) == size(array) + size(10**6) + size("text") + size(None)


def test_an_array_over_bytes_counts_them_and_one_over_a_file_does_not(tmp_path: Path) -> None:
    assert 5_000 < state_bytes(np.frombuffer(bytes(5_000), np.uint8)) < 5_500
    np.save(tmp_path / "large.npy", np.zeros(100_000))
    mapped = np.load(tmp_path / "large.npy", mmap_mode="r")
    assert state_bytes(mapped) < 10_000
    assert state_bytes(mapped[5:]) < 10_000
    with (tmp_path / "large.npy").open("rb") as file:
        foreign = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        assert state_bytes(np.frombuffer(foreign, np.uint8)) < 1_000


@kernel
def nothing() -> None:
    pass


def test_code_counts_nothing() -> None:
    for code in (np, Path, size, state_bytes, nothing, lambda: NUMBERS):
        assert state_bytes([code]) == size([code])
    assert state_bytes(defaultdict(list)) == size(defaultdict(list))


def test_what_is_said_not_to_count_does_not_and_neither_does_what_it_alone_holds() -> None:
    shared, own = list(NUMBERS), [1.5]
    given = {"shared": shared, "own": own}
    assert state_bytes([given], without=[given]) == size([given])
    assert state_bytes([given, own], without=[given]) == size([0, 0]) + state_bytes(own)


def test_a_class_that_counts_its_contents_itself_does_not_count_them_twice() -> None:
    class Frame:
        def __init__(self) -> None:
            self.values = np.zeros(10_000)

        def __sizeof__(self) -> int:
            return object.__sizeof__(self) + self.values.nbytes

    assert 80_000 < state_bytes(Frame()) < 81_000


def test_a_class_that_hides_its_attributes_is_no_obstacle() -> None:
    class Hidden:
        @property
        def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
            raise RuntimeError("hidden")

    assert state_bytes(Hidden()) > 0


def test_a_proxy_that_raises_when_asked_for_its_class_is_no_obstacle() -> None:
    class Proxy:
        @property
        def __class__(self) -> Any:  # type: ignore[override]
            raise RuntimeError("unbound")

    assert state_bytes([Proxy()]) > 0


def test_tensors_count_by_their_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tensor:
        __slots__ = ()

        def element_size(self) -> int:
            return 4

        def nelement(self) -> int:
            return 1_000

    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(Tensor=Tensor))
    tensor = Tensor()
    assert state_bytes([tensor, tensor]) == size([0, 0]) + size(tensor) + 4_000


def test_a_hundred_thousand_numbers_count_once_each() -> None:
    numbers = [10**6 + n for n in range(100_000)]
    by_key = {n: [n, str(n)] for n in numbers}
    held = [numbers, by_key, numbers[::2]]
    assert state_bytes(held) == (
        sum(map(size, held)) + size(held) + sum(size(n) + size([n, ""]) + size(str(n)) for n in numbers)
    )
