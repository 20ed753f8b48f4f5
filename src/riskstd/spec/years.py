"""Years of validity, written as `2021 2026`, `2020-2024`, `-2014` or `2016-`."""

from __future__ import annotations

from dataclasses import dataclass

from riskstd.errors import SpecError

_OPEN_FIRST, _OPEN_LAST = 0, 9999


@dataclass(frozen=True)
class Years:
    """Service years in which a row holds; without spans, all of them.

    Examples
    --------
    >>> [year in Years.of("2021 2024-") for year in (2020, 2021, 2022, 2025)]
    [False, True, False, True]
    >>> 1999 in Years.of("")
    True
    """

    spans: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, text: str) -> Years:
        """Read the written form."""
        return cls(tuple(_span(token) for token in text.split()))

    def __contains__(self, year: object) -> bool:
        if not self.spans:
            return True
        return isinstance(year, int) and any(first <= year <= last for first, last in self.spans)


def _span(token: str) -> tuple[int, int]:
    first, dash, last = token.partition("-")
    try:
        start = int(first) if first else _OPEN_FIRST
        end = (int(last) if last else _OPEN_LAST) if dash else start
    except ValueError:
        raise SpecError(f"years {token!r} cannot be read", expected="2021, 2020-2024, -2014 or 2016-") from None
    if end < start:
        raise SpecError(f"years {token!r} run backwards", expected="first-last")
    return start, end
