"""Where random choices come from: a seeded generator, or Hypothesis, which can make a failure small."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


class Chooser(Protocol):
    """The three choices that random claims are made of; the first option is the dullest."""

    def pick(self, options: Sequence[T]) -> T: ...

    def whole(self, low: int, high: int) -> int: ...

    def chance(self, percent: int) -> bool: ...


class SeededChooser:
    """Choices of a seeded generator: fast, for many sets of claims."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, options: Sequence[T]) -> T:
        return options[self._random.randrange(len(options))]

    def whole(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def chance(self, percent: int) -> bool:
        return self._random.randrange(100) < percent


class HypothesisChooser:
    """Choices of Hypothesis, which shrinks them towards the first option, the lowest number, and no."""

    def __init__(self, draw: Callable[[Any], Any]) -> None:
        self._draw = draw

    def pick(self, options: Sequence[T]) -> T:
        return options[self._draw(st.integers(0, len(options) - 1))]

    def whole(self, low: int, high: int) -> int:
        return self._draw(st.integers(low, high))

    def chance(self, percent: int) -> bool:
        return self._draw(st.integers(0, 99)) >= 100 - percent
