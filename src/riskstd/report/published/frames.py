"""Small steps on frames of text that keep their types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


def keep_rows(frame: pd.DataFrame, chosen: Any) -> pd.DataFrame:
    """Return the chosen rows with their index; `chosen` is one bool per row."""
    return frame.take(np.flatnonzero(np.asarray(chosen, dtype=bool)))


def keep_columns(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the named columns, in that order."""
    return cast("pd.DataFrame", frame[list(names)])


def matches(frame: pd.DataFrame, column: str, pattern: str) -> NDArray[np.bool_]:
    """Tell per row whether the whole text fits the pattern."""
    fits = {text: re.fullmatch(pattern, text) is not None for text in frame[column].unique().tolist()}
    return np.array([fits[text] for text in frame[column]], dtype=bool)


def texts(frame: pd.DataFrame, column: str) -> list[str]:
    """Return the distinct values of a column of text, sorted."""
    return sorted({value for value in frame[column].tolist() if value})


def count_with_several(pairs: pd.DataFrame, by: str) -> int:
    """Return how many values of a column, the empty one aside, stand in several rows."""
    values = pairs[by]
    return len(set(values[values.duplicated()].tolist()) - {""})
