"""Options that models, assessments and rates share."""

from __future__ import annotations

from typing import Any

import numpy as np

from riskstd.errors import OptionError


def check_level(level: Any, name: str = "level") -> None:
    """Refuse a confidence level outside 0 to 1.

    Examples
    --------
    >>> check_level(95)
    Traceback (most recent call last):
    riskstd.errors.OptionError: level 95
      expected: a confidence level above 0 and below 1, such as 0.95
    """
    if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0 < level < 1:
        raise OptionError(f"{name} {level!r}", expected="a confidence level above 0 and below 1, such as 0.95")


def check_seed(seed: Any) -> None:
    """Refuse a seed that is not a whole number of 0 or more.

    Examples
    --------
    >>> check_seed(-1)
    Traceback (most recent call last):
    riskstd.errors.OptionError: seed -1
      expected: a whole number of 0 or more
      what to do: record it
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise OptionError(f"seed {seed!r}", expected="a whole number of 0 or more", hint="record it")
