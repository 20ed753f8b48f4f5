"""How a ratio becomes a rate and a category: scale, levels, minimum cases, words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import OptionError
from riskstd.model.options import check_level

FloatArray = NDArray[np.floating[Any]]

SCALE_FACTORS = {"per_1000": 1000.0, "percent": 100.0, "ratio": 1.0}
"""Events per how many cases; a ratio is shown as it is."""
DEFAULT_LEVEL = 0.95


@dataclass(frozen=True)
class CategoryLabels:
    """Words for the four categories."""

    better: str = "better"
    no_different: str = "no different"
    worse: str = "worse"
    too_few: str = "too few cases"


@dataclass(frozen=True)
class Standardization:
    """What `standardize` needs to know of a measure.

    Parameters
    ----------
    scale : {"per_1000", "percent", "ratio"}
    minimum_cases : int
        Below it the category is "too few"; the numbers are still computed.
    display_level, category_level : float
        Levels of the printed interval and of the interval the category is read from.
    category_labels : CategoryLabels

    Examples
    --------
    >>> Standardization(scale="per_1000", minimum_cases=30).factor
    1000.0
    """

    scale: str = "percent"
    minimum_cases: int = 0
    display_level: float = DEFAULT_LEVEL
    category_level: float = DEFAULT_LEVEL
    category_labels: CategoryLabels = field(default_factory=CategoryLabels)

    def __post_init__(self) -> None:
        if self.scale not in SCALE_FACTORS:
            raise OptionError(f"scale {self.scale!r}", expected="one of " + ", ".join(SCALE_FACTORS))
        for name in ("display_level", "category_level"):
            check_level(getattr(self, name), name)

    @property
    def factor(self) -> float:
        """Events per how many cases."""
        return SCALE_FACTORS[self.scale]

    def multiplier(self, national_rate: float) -> float:
        """What a ratio is multiplied by to be on the scale; also the comparator of a category."""
        return 1.0 if self.scale == "ratio" else national_rate * self.factor


def read_standardization(measure: Any, scale: str | None, level: float | None) -> Standardization:
    """Take the rules from a measure, with `scale` and `level` in place of its own.

    Without a measure, `level` is the level of the category as well.
    """
    if measure is None:
        shown = DEFAULT_LEVEL if level is None else level
        return Standardization(scale=scale or "percent", display_level=shown, category_level=shown)
    rules = standardization_of(measure)
    shown = rules.display_level if level is None else level
    return replace(rules, scale=scale or rules.scale, display_level=shown)


def standardization_of(measure: Any) -> Standardization:
    """Read the rules of a measure.

    Parameters
    ----------
    measure : object
        A loaded measure definition, a `Standardization`, or any object with its attributes.

    Returns
    -------
    Standardization

    Raises
    ------
    OptionError
        When an attribute is missing.
    """
    if isinstance(measure, str):
        raise OptionError(
            f"measure {measure!r} is a name",
            expected="a loaded measure",
            hint=f"pass measure=load_measure({measure!r})",
        )
    try:
        is_definition = hasattr(measure, "definition")
        categories = measure.definition.score.categories if is_definition else measure
        return Standardization(
            scale=getattr(measure.scale, "kind", measure.scale),
            minimum_cases=categories.minimum_cases,
            display_level=categories.display_level,
            category_level=categories.category_level,
            category_labels=_labels(categories.labels if is_definition else categories.category_labels),
        )
    except (AttributeError, KeyError) as error:
        raise OptionError(
            f"measure of type {type(measure).__name__} without {error}",
            expected="a loaded measure, or an object with the attributes of Standardization",
        ) from None


def categorize(
    lower: FloatArray,
    upper: FloatArray,
    cases: NDArray[Any],
    *,
    comparator: float,
    rules: Standardization,
) -> NDArray[np.object_]:
    """Better when the interval lies below the comparator, worse when above; unrounded limits.

    Parameters
    ----------
    lower, upper : ndarray, shape (n_facilities,)
        Limits at the category level; NaN gives no category (None).
    cases : ndarray, shape (n_facilities,)
    comparator : float
        National rate on the scale of the limits, 1 for a ratio.
    rules : Standardization

    Returns
    -------
    ndarray of str or None, shape (n_facilities,)

    Examples
    --------
    >>> categorize(np.array([0.5, 1.1]), np.array([0.9, 1.2]), np.array([50, 5]), comparator=1.0,
    ...            rules=Standardization("ratio", minimum_cases=25)).tolist()
    ['better', 'too few cases']
    """
    words = rules.category_labels
    category = np.full(len(lower), words.no_different, dtype=object)
    category[upper < comparator] = words.better
    category[lower > comparator] = words.worse
    category[np.isnan(lower) | np.isnan(upper)] = None
    category[cases < rules.minimum_cases] = words.too_few
    return category


def check_national_rate(national_rate: float | None) -> None:
    """Refuse a national rate that is not a proportion.

    Raises
    ------
    OptionError
    """
    if national_rate is not None and not 0.0 < national_rate < 1.0:
        raise OptionError(
            f"national_rate {national_rate!r}", expected="a proportion between 0 and 1, whatever the scale"
        )


def _labels(labels: Any) -> CategoryLabels:
    names = ("better", "no_different", "worse", "too_few")
    if isinstance(labels, Mapping):
        return CategoryLabels(**{name: labels[name] for name in names})
    return CategoryLabels(**{name: getattr(labels, name) for name in names})
