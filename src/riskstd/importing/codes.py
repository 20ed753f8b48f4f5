"""Cells read as codes: points and blanks removed, lost zeros put back where the length of the code tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_POINTS = re.compile(r"[.\s'\"`]")
_WHOLE_FLOAT = re.compile(r"^(\d+)\.0+$")


@dataclass(frozen=True)
class CodeForm:
    """How the codes of a system are written.

    Attributes
    ----------
    name : str
        Name of the system, as code lists have it.
    says : str
        For messages: what was expected.
    pattern : re.Pattern
        A whole code, without points, in capitals.
    length, shortest : int
        Length to which a code of digits alone is filled with zeros, 0 for none, and the digits it must have for that.
    prepare : callable
        Takes away what may stand around a code.
    has_points : bool
        Whether points and blanks within a code are left out; a HCPCS code with a point would be one of ICD-10-CM.
    """

    name: str
    says: str
    pattern: re.Pattern[str]
    length: int = 0
    shortest: int = 0
    prepare: Callable[[str], str] = lambda text: text
    has_points: bool = True

    def read(self, cell: str) -> str | None:
        """Return the code in a cell, or None if it is not one.

        Examples
        --------
        >>> HCPCS.read("45378.0"), ICD10CM.read("k50.90 "), ICD10PCS.read("16070"), HCPCS.read("Total")
        ('45378', 'K5090', '0016070', None)
        """
        if not self.has_points and set(". ") & set(_whole(cell)):
            return None
        text = self.prepare(plain(cell))
        if text.isdigit() and self.shortest <= len(text) < self.length:
            text = text.zfill(self.length)
        return text if self.pattern.fullmatch(text) else None


def plain(cell: str) -> str:
    """Return a cell without points, blanks and quotation marks, in capitals; a whole float as an integer."""
    return _POINTS.sub("", _whole(cell)).upper()


def _whole(cell: str) -> str:
    text = cell.replace("\u00a0", " ").strip().strip("'\"`").strip()
    whole = _WHOLE_FLOAT.match(text)
    return whole.group(1) if whole else text


def _number(text: str) -> str:
    found = re.fullmatch(r"(?:CMS-?)?(?:H?CCS?|V22)?[-_ ]?0*(\d+)", text)
    return found.group(1) if found else text


ICD10CM = CodeForm("ICD-10-CM", "an ICD-10-CM code such as K50.90", re.compile(r"[A-Z][0-9][0-9A-Z][0-9A-Z]{0,4}"))
ICD10PCS = CodeForm(
    "ICD-10-PCS", "an ICD-10-PCS code of 7 characters such as 0DJD8ZZ", re.compile(r"[0-9A-HJ-NP-Z]{7}"), 7, 5
)
HCPCS = CodeForm(
    "HCPCS",
    "a HCPCS code of 5 characters such as 45378 or G0105",
    re.compile(r"[0-9A-Z][0-9]{3}[0-9A-Z]"),
    5,
    3,
    has_points=False,
)
CCS = CodeForm("CCS", "a CCS category, a number of 1 to 4 digits", re.compile(r"[1-9][0-9]{0,3}"), 0, 0, _number)
CC = CodeForm(
    "CC", "a condition category, a number from 1 to 201", re.compile(r"[1-9][0-9]?|1[0-9]{2}|20[01]"), 0, 0, _number
)
REVENUE = CodeForm("revenue", "a revenue code of 4 digits such as 0450", re.compile(r"[0-9]{4}"), 4, 3)

FORMS: Mapping[str, CodeForm] = {form.name: form for form in (ICD10CM, ICD10PCS, HCPCS, CCS, CC, REVENUE)}
