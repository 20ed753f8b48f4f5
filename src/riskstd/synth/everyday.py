"""Everyday texture of a nation: surgery that no measure is about, and the many lines of hospital claims."""

from __future__ import annotations

from datetime import date

import numpy as np

from riskstd.synth.background import CareRates, care_dates, care_intensity, care_window, is_covered
from riskstd.synth.carrier import add_other_surgery
from riskstd.synth.people import Health
from riskstd.synth.plan import MONTHS, CodeYear, Plan, Vocabulary, day_of
from riskstd.synth.volumes import nation_facts
from riskstd.synth.world import Schedule, World


def add_everyday_care(
    world: World,
    schedule: Schedule,  # noqa: ARG001 - every source of further care has the same arguments
    health: Health,
    contacts: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> None:
    """Add days at surgical centers for other reasons, and lines that fill hospital claims."""
    facts = nation_facts()
    start, end = care_window(contacts, care_rates())
    expected = facts["care"]["other_surgery_a_year"] * care_intensity(health, start, end)
    person, day = care_dates(expected, start, end, rng)
    world.code_years = code_years(world.plan.vocabulary)
    covered = is_covered(world, person, day)
    person, day = person[covered], day[covered]
    facility = world.facilities.npi[rng.integers(0, len(world.facilities.npi), len(person))]
    add_other_surgery(world.plan, world.pool, rng, facts["other_surgery"], person=person, day=day, facility=facility)


def code_years(vocabulary: Vocabulary) -> list[CodeYear]:
    """Return which diagnosis codes begin or end while the claims run."""
    found = []
    for code, entry in nation_facts()["code_years"].items():
        first: date = entry["first_day"]
        before, after = vocabulary(entry.get("before", code)), vocabulary(entry.get("after", code))
        found.append(CodeYear(vocabulary(code), before, after, day_of(first.year, first.month, first.day)))
    return found


def care_rates() -> CareRates:
    """Return how dense background care is in a nation."""
    care = nation_facts()["care"]
    return CareRates(
        care["ordinary_claims_a_year"],
        care["outpatient_claims_a_year"],
        care["ed_visits_a_year"],
        care["stays_a_year"],
        look_back_days=MONTHS * 31,
        aftercare_days=MONTHS * 31,
        only_covered=True,
    )


def fill_hospital_claims(plan: Plan, rng: np.random.Generator) -> None:
    """Add lines for supplies, drugs, tests and therapy until hospital claims have the usual number of lines."""
    facts = nation_facts()
    for kind in ("outpatient", "inpatient"):
        claims = plan.columns(kind, "claims", "claim", "first")
        claim = claims["claim"]
        present = np.bincount(plan.columns(kind, "lines", "claim")["claim"], minlength=plan.claims_planned)[claim]
        wanted = facts["care"][f"{kind}_lines"] - (present.mean() if len(present) else 0.0)
        more = rng.geometric(1 / (1 + max(wanted, 0.0)), len(claim)) - 1
        row = np.repeat(np.arange(len(claim)), more)
        number = present[row] + np.arange(len(row)) - np.repeat(np.cumsum(more) - more, more) + 1
        choices = facts["ancillary"][kind]
        which = rng.integers(0, len(choices), len(row))
        revenue = plan.vocabulary.many(code for code, _ in choices)[which]
        hcpcs = plan.vocabulary.many(code for _, code in choices)[which]
        columns = {"claim": claim[row], "line": number, "revenue": revenue, "hcpcs": hcpcs}
        if kind == "outpatient":
            columns["day"] = claims["first"][row]
        plan.add(kind, "lines", **columns)
