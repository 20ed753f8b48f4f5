"""All checks of one measure."""

from __future__ import annotations

from collections.abc import Iterator

from riskstd.spec.checking.codesystems import codes_outside_the_system, headings_not_whole, maps_behind_the_system
from riskstd.spec.checking.finding import LEVELS, OPEN, Check, Finding
from riskstd.spec.checking.options import options_without_effect, parts_that_options_leave_out, twice_in_force
from riskstd.spec.checking.overlaps import (
    codes_of_two_types,
    codes_of_two_visit_clauses,
    included_and_excluded,
    planned_lists_overlap,
)
from riskstd.spec.checking.reach import (
    bands_never_met,
    exclusions_behind_others,
    factors_never_met,
    factors_twice,
    windows_never_met,
    years_never_met,
)
from riskstd.spec.checking.rows import badly_written_codes, codes_twice, unknown_categories, unknown_lists
from riskstd.spec.definition import Measure

OPEN_MARK = "OPEN"

# Those that look at every clause, whatever the options.
_OF_DEFINITIONS: tuple[Check, ...] = (
    options_without_effect,
    parts_that_options_leave_out,
    badly_written_codes,
    codes_twice,
    unknown_lists,
    unknown_categories,
    years_never_met,
    planned_lists_overlap,
    codes_outside_the_system,
    headings_not_whole,
    maps_behind_the_system,
)
# Those that look at the clauses in force: under the defaults, and with each option changed alone.
_OF_CHOICES: tuple[Check, ...] = (
    twice_in_force,
    included_and_excluded,
    codes_of_two_visit_clauses,
    codes_of_two_types,
    exclusions_behind_others,
    windows_never_met,
    bands_never_met,
    factors_never_met,
    factors_twice,
)


def check_measure(measure: Measure) -> list[Finding]:
    """Check a definition beyond its schema, under the defaults and with each option changed alone.

    Parameters
    ----------
    measure : Measure
        A definition that was loaded, with the tables that it names.

    Returns
    -------
    list of Finding
        Defects first; each finding once.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> {finding.level for finding in check_measure(load_measure("ASC-18"))} - {"note", "warning"}
    set()
    """
    found = [finding for check in _OF_DEFINITIONS for finding in check(measure)]
    found += _open_places(measure)
    for choice in _choices(measure):
        found += [finding for check in _OF_CHOICES for finding in check(choice)]
    unique = dict.fromkeys(found)
    return sorted(unique, key=lambda finding: LEVELS.index(finding.level))


def _choices(measure: Measure) -> Iterator[Measure]:
    yield measure
    for name, option in measure.definition.options.items():
        for value in option.choices:
            if value != measure.options[name]:
                yield measure.with_options({name: value})


def _open_places(measure: Measure) -> Iterator[Finding]:
    for path, clause in measure.definition.clauses():
        for key in ("says", "source"):
            if OPEN_MARK in getattr(clause, key):
                text = getattr(clause, key)
                yield Finding(OPEN, f"{path}.{key}", f"left open: {text}", "write what holds, and where it was read")
