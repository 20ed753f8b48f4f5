"""The comparison can fail, small examples get small, and random claims reach every rule."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any

import pytest

from oracle import checking
from oracle.checking import batch_disagreements, disagreements
from oracle.chooser import SeededChooser
from oracle.compare import TABLES, differences
from oracle.judge import Judgement, judge
from oracle.palette import palette_of
from oracle.randomclaims import Terms, random_claims, random_terms, without_columns
from oracle.stays import stays_of
from riskstd.spec import list_measures, load_measure

MEASURES = [measure_id for measure_id, _ in list_measures()]


def sample() -> Judgement:
    """A judgement with rows in every table."""
    measure = load_measure("ASC-17")
    claims = [random_claims(SeededChooser(n), palette_of("ASC-17"), n) for n in range(40)]
    return judge(checking.merged(claims), measure)


@pytest.mark.parametrize("table", TABLES)
def test_a_missing_row_and_another_value_are_differences(table: str) -> None:
    ours, theirs = sample(), sample()
    assert not differences(ours, theirs)
    row: dict[str, Any] = getattr(theirs, table)[0]
    column = next(name for name in reversed(row) if name not in ("person_key", "procedure_date"))
    row[column] = "something else"
    assert differences(ours, theirs)
    del getattr(theirs, table)[0]
    assert differences(ours, theirs)


def test_a_wrong_engine_is_found_and_its_example_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def engine_without_day_7(*arguments: Any, **terms: Any) -> Judgement:
        judgement = deepcopy(judge(*arguments, **terms))
        judgement.visits = [visit for visit in judgement.visits if visit["days_after"] != 7]
        return judgement

    monkeypatch.setattr(checking, "run_engine", engine_without_day_7)
    found = batch_disagreements("ASC-17", seed=5, sets=30)
    small = found[-1]
    claim_rows = [line for line in small.splitlines() if "claim_id=" in line]
    assert "differ; one of them, made small" in found[0]
    assert 2 <= len(claim_rows) <= 4, small


def test_an_engine_that_agrees_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "run_engine", judge)
    assert not batch_disagreements("ASC-12", seed=5, sets=30)
    assert not disagreements(random_claims(SeededChooser(1), palette_of("ASC-12")), "ASC-12", Terms())


@pytest.mark.parametrize("measure_id", MEASURES)
def test_random_claims_reach_every_rule(measure_id: str) -> None:
    seen: Counter[str] = Counter()
    possible: set[str] = set()
    for seed in range(1500):
        choose = SeededChooser(seed)
        terms = random_terms(choose, load_measure(measure_id))
        measure = load_measure(measure_id, options=dict(terms.options))
        claims = without_columns(random_claims(choose, palette_of(measure_id)), terms.absent)
        judged = judge(claims, measure, absent=terms.absent, period=terms.period)
        possible |= {clause.id for clause in measure.exclusions} | set(measure.factor_columns)
        seen.update(row["excluded_by"] for row in judged.excluded)
        seen.update(row["planned_rule"] for row in judged.visits)
        seen.update(row["not_counted_because"] or "counted" for row in judged.visits)
        seen.update(f"{row['visit_type']} day {row['days_after']}" for row in judged.visits)
        seen.update(name for row in judged.risk_factors for name, value in row.items() if value)
    possible |= {"PA1", "PA2", "PA3", "PA4", "no_planned_procedure", "missing_principal_diagnosis"}
    possible |= {"counted", "planned", "part_of_admission", "belongs_to_later_procedure"}
    possible |= {f"{kind} day {day}" for kind in ("ed", "observation", "inpatient") for day in (0, 7)}
    never = sorted(possible - set(seen))
    assert not never


def test_random_stays_join_interim_bills_and_transfers() -> None:
    from oracle.people import people_of

    hospitals: Counter[int] = Counter()
    for seed in range(600):
        for person in people_of(random_claims(SeededChooser(seed), palette_of("ASC-17"))):
            for stay in stays_of(person):
                if len(stay.claims) > 1:
                    hospitals[len({claim["provider_ccn"] for claim in stay.claims})] += 1
    assert hospitals[1] > 10, "interim bills"
    assert hospitals[2] > 10, "transfers"
