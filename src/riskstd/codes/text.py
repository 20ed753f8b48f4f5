"""Codes as text: blanks and points removed, leading zeros kept."""

from __future__ import annotations


def normalize_code(code: str) -> str:
    """Return a code without points and blanks, in capitals; leading zeros stay.

    Examples
    --------
    >>> normalize_code(" k50.90 "), normalize_code("0450")
    ('K5090', '0450')
    """
    return code.replace(".", "").replace(" ", "").upper()
