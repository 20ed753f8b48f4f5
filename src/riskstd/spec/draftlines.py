"""Where a draft's procedures are read, and whose they are: setting and unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from riskstd.errors import OptionError

SETTINGS = {
    "asc": "ambulatory surgical center",
    "outpatient": "hospital outpatient department",
    "inpatient": "hospital inpatient stay",
}
UNITS = ("facility", "surgeon")
_PLACES = {"asc": ["24"], "outpatient": ["19", "22"], "inpatient": ["21"]}


def facility_line(setting: str, unit: str, base: dict[str, Any]) -> dict[str, Any]:
    """Return the clause on the lines of one setting, for a unit.

    Raises
    ------
    OptionError
        When there is no such setting or unit.
    """
    if setting not in SETTINGS or unit not in UNITS:
        raise OptionError(
            f"setting {setting!r} with unit {unit!r}",
            expected=f"settings {', '.join(SETTINGS)}; units {', '.join(UNITS)}",
        )
    if unit == "surgeon":
        return {
            "rule": "surgeon_line",
            "place_of_service": _PLACES[setting],
            "specialty_not": ["49"],
            "type_of_service_not": ["F", "7", "8"],
            "modifiers_not": ["80", "81", "82", "AS"],
            "facility_keys": ["performing_npi"],
            "says": f"A professional line at the {SETTINGS[setting]} is a line of the surgeon who performed.",
            **_own("own: places of service as in resdac, without assistants and anesthesia"),
        }
    if setting == "asc":
        return base
    if setting == "outpatient":
        return {
            "rule": "hospital_outpatient_line",
            "bill_types": ["13", "85"],
            "facility_keys": ["facility_npi", "provider_ccn"],
            "says": "A line of a hospital outpatient claim with a procedure code is a line of the hospital.",
            **_own("own: bill types recalled, medium confidence"),
        }
    return {
        "rule": "inpatient_procedure",
        "bill_types": ["11", "41"],
        "facility_keys": ["facility_npi", "provider_ccn"],
        "says": "A procedure of an inpatient claim belongs to the hospital, on the day it was done.",
        **_own("own: bill types recalled, medium confidence"),
    }


def further_lines(settings: Sequence[str], unit: str, base: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the clauses of further settings."""
    return [facility_line(setting, unit, base) for setting in settings]


def unit_words(settings: Sequence[str], unit: str) -> tuple[str, str]:
    """Return unit and setting in words."""
    return unit, " or ".join(SETTINGS[setting] for setting in settings if setting in SETTINGS)


def _own(source: str) -> dict[str, str]:
    return {"source": source, "origin": "reconstructed", "grade": "C"}
