"""Numbers and nouns in sentences, the same everywhere in a report."""

from __future__ import annotations

import math
from collections.abc import Sequence

SUPPRESSED = "[c]"
"""Text form of a suppressed cell: distinct from zero and from missing."""
MISSING = "\N{EN DASH}"
"""Text form of a value that does not exist."""


class Suppressed:
    """Type of `HIDDEN`, the value of a suppressed cell."""

    def __repr__(self) -> str:
        return "HIDDEN"


HIDDEN = Suppressed()


def counted(n: int, one: str, many: str) -> str:
    """Return a count with its noun.

    Examples
    --------
    >>> [counted(n, "facility", "facilities") for n in (0, 1, 2310)]
    ['no facilities', '1 facility', '2,310 facilities']
    """
    if n == 0:
        return f"no {many}"
    return f"{n:,} {one if n == 1 else many}"


def plural(noun: str) -> str:
    """Return the plural of a regular English noun.

    Examples
    --------
    >>> plural("colonoscopy"), plural("procedure"), plural("day"), plural("biopsies")
    ('colonoscopies', 'procedures', 'days', 'biopsies')
    """
    if noun.endswith("s"):
        return noun
    if noun.endswith("y") and noun[-2:-1] not in set("aeiou"):
        return noun[:-1] + "ies"
    return noun + "s"


def number(value: int | float | Suppressed | None, decimals: int = 0) -> str:
    """Return a number for reading: thousands marked, fixed decimals; missing and suppressed as marks.

    Examples
    --------
    >>> number(12345), number(9.876, 1), number(None), number(HIDDEN)
    ('12,345', '9.9', '–', '[c]')
    """
    if isinstance(value, Suppressed):
        return SUPPRESSED
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def percent(part: int | Suppressed, whole: int | Suppressed) -> str:
    """Return a share in percent with one decimal; suppressed if either count is.

    Examples
    --------
    >>> percent(1, 8), percent(HIDDEN, 8), percent(0, 0)
    ('12.5 %', '[c]', '–')
    """
    if isinstance(part, Suppressed) or isinstance(whole, Suppressed):
        return SUPPRESSED
    return f"{100 * part / whole:.1f} %" if whole else MISSING


def level_text(level: float) -> str:
    """Return an interval level as text.

    Examples
    --------
    >>> level_text(0.95), level_text(0.998)
    ('95 %', '99.8 %')
    """
    return f"{100 * level:.10g} %"


def listed(parts: Sequence[str]) -> str:
    """Join parts as a sentence does.

    Examples
    --------
    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def sentence(text: str) -> str:
    """Return text with a capital first letter and a full stop.

    Examples
    --------
    >>> sentence("no facilities"), sentence("Done.")
    ('No facilities.', 'Done.')
    """
    text = text.strip()
    if not text:
        return text
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?:" else ".")
