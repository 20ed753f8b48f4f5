"""Nothing from 1 to 10 can be read off a public page, or worked out from it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from riskstd.report import SMALL_CELL, Total, attack, render_report, suppress
from riskstd.report.disclosure.count_system import AtMost
from riskstd.report.disclosure.counts import count_run
from riskstd.report.disclosure.facilities import read_facilities
from riskstd.report.disclosure.facility_hiding import hide_facilities
from riskstd.report.disclosure.suppression import (
    Column,
    is_small,
    protect_sum,
    shown_count,
    shown_parts,
    shown_share,
    suppress_table,
)
from riskstd.report.wording import HIDDEN

pytestmark = pytest.mark.usefixtures("no_figures")


def possible_values(cells, totals, hidden, name):
    """Every value a hidden small cell can have, by trying all values of the hidden cells up to a bound."""
    names = sorted(hidden)
    top = max(cells.values()) + SMALL_CELL
    small_all = is_small(cells["all"])
    ranges = [
        range(0 if small_all and n != "all" else 1, SMALL_CELL + 1)
        if is_small(cells[n]) or small_all
        else range(SMALL_CELL + 1, top + 1)
        for n in names
    ]
    found = set()
    for guess in product(*ranges):
        trial = {**cells, **dict(zip(names, guess, strict=True))}
        if all(trial[t.total] == sum(trial[p] for p in t.parts) for t in totals):
            found.add(trial[name])
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 16), min_size=2, max_size=3), st.integers(0, 1))
def test_every_small_cell_keeps_its_range_by_trying_all_values(parts, extra):
    names = [f"part{k}" for k in range(len(parts))]
    cells = {"all": sum(parts), **dict(zip(names, parts, strict=True))}
    totals = [Total("all", tuple(names))]
    if extra:
        cells |= {"other": 14, "grand": cells["all"] + 14}
        totals.append(Total("grand", ("all", "other")))
    hidden = suppress(cells, totals)
    assert {name for name, n in cells.items() if is_small(n)} <= hidden
    if len(hidden) <= 3:
        for name in hidden:
            if is_small(cells[name]):
                assert possible_values(cells, totals, hidden, name) >= set(range(1, SMALL_CELL + 1))


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_tables_with_margins_withstand_the_attack(seed):
    rng = np.random.default_rng(seed)
    cells, totals = {}, []
    table = rng.choice([0, 3, 9, 10, 11, 40, 500], (3, 4), p=[0.2, 0.2, 0.1, 0.1, 0.1, 0.2, 0.1])
    for i, j in np.ndindex(table.shape):
        cells[f"c{i}{j}"] = int(table[i, j])
    for i in range(3):
        cells[f"row{i}"] = int(table[i].sum())
        totals.append(Total(f"row{i}", tuple(f"c{i}{j}" for j in range(4))))
    for j in range(4):
        cells[f"col{j}"] = int(table[:, j].sum())
        totals.append(Total(f"col{j}", tuple(f"c{i}{j}" for i in range(3))))
    cells["all"] = int(table.sum())
    totals.append(Total("all", tuple(f"row{i}" for i in range(3))))
    totals.append(Total("all", tuple(f"col{j}" for j in range(4))))
    hidden = suppress(cells, totals)
    assert {name for name, n in cells.items() if is_small(n)} <= hidden
    assert attack(cells, totals, hidden) == []
    assert suppress(dict(reversed(cells.items())), totals) == hidden


def test_the_attack_finds_what_primary_suppression_leaves_open():
    cells = {"all": 100, "a": 4, "b": 96}
    totals = [Total("all", ("a", "b"))]
    assert attack(cells, totals, {"a"}) == ["a"]
    assert attack({"all": 2, "a": 1, "b": 1}, totals, {"a", "b"}) == ["a", "b"]
    assert attack({"all": 20, "a": 10, "b": 10}, totals, {"a", "b"}) == ["a", "b"]
    assert attack({"all": 7, "a": 3, "b": 4}, totals, {"a", "b"}) == ["a", "b"]
    assert attack(cells, totals, {"a", "b"}) == []


def test_zero_is_shown_and_nothing_is_hidden_without_need():
    assert suppress({"all": 90, "a": 0, "b": 90}, [Total("all", ("a", "b"))]) == frozenset()


def test_another_limit_is_kept():
    cells = {"all": 100, "a": 14, "b": 86}
    assert suppress(cells, [Total("all", ("a", "b"))], limit=20) == {"a", "b"}


def shown_numbers(row, columns):
    return [int(row[k].replace(",", "")) if row[k] not in {"[c]", ""} else None for k in columns]


def solve_chain(rows):
    """Least and most that each step may have excluded, given every number the table shows."""
    size = len(rows)
    n = 3 * size
    equations, known, bounds = [], [], [(0, 10**9)] * n
    for k, cells in enumerate(rows):
        row = np.zeros(n)
        row[[3 * k, 3 * k + 1, 3 * k + 2]] = 1, -1, -1
        equations.append(row)
        known.append(0.0)
        if k:
            row = np.zeros(n)
            row[[3 * k - 1, 3 * k]] = 1, -1
            equations.append(row)
            known.append(0.0)
        for c, value in enumerate(cells):
            if value is not None:
                bounds[3 * k + c] = (value, value)
    ranges = []
    for k in range(size):
        goal = np.zeros(n)
        goal[3 * k + 1] = 1
        low, high = (
            sign * linprog(sign * goal, A_eq=equations, b_eq=known, bounds=bounds, method="highs").fun
            for sign in (1, -1)
        )
        ranges.append((low, high))
    return ranges


@pytest.mark.parametrize(
    "excluded",
    [
        [500, 3, 40, 900, 77],
        [500, 3, 0, 0, 0],
        [3],
        [0, 0, 0, 10],
        [1, 1, 0, 0, 0],
        [10, 10],
        [0, 200, 0, 1, 0, 300, 2],
    ],
)
def test_attrition_of_a_public_page_does_not_give_a_step_away(make_report, excluded, outline):
    content = make_report("ASC-17", 200, excluded=excluded)
    page = outline(render_report(content, profile="public"))
    rows = page.table("Attrition")[3:]
    chain = [shown_numbers(row, (3, 4, 5)) for row in rows]
    truth = (excluded + [0] * len(chain))[: len(chain)]
    for count, (low, high) in zip(truth, solve_chain(chain), strict=True):
        if is_small(count):
            assert high - low >= 1 - 1e-6
    for row in chain:
        assert not any(value is not None and is_small(value) for value in row)


@pytest.mark.parametrize("n_events", [0, 1, 5, 10, 11, 39, 40])
def test_tiny_runs_show_no_small_count_in_any_table(make_report, n_events, outline):
    content = make_report("ASC-12", rates=None, n_cases=40, n_events=n_events, no_model_reason="too few events")
    page = outline(render_report(content, profile="public"))
    for caption in (
        "Attrition",
        "Outcome",
        "All visits",
        "Inpatient admissions",
        "Visits that count",
        "What could",
    ):
        for row in page.table(caption)[1:]:
            for cell in row[1:]:
                if cell.replace(",", "").isdigit():
                    assert not is_small(int(cell.replace(",", ""))), (caption, row)
    counts = count_run(content, "public")
    if is_small(n_events) or is_small(40 - n_events):
        assert "events" in counts.hidden
        assert f"{n_events} of them" not in page.text
        shares = {row[2] for row in page.table("Outcome")[1:]}
        assert f"{100 * n_events / 40:.1f} %" not in shares


def test_facility_profile_hides_nothing(make_report):
    assert "[c]" not in render_report(make_report("ASC-12", 40), profile="facility")


def test_public_facility_rows_hide_every_number_that_tells_of_few_events(make_report, outline):
    content = make_report("ASC-17", 300)
    page = outline(render_report(content, profile="public"))
    rows = {row[0]: row for row in page.table("All facilities")[1:]}
    minimum = content.measure.definition.score.categories.minimum_cases
    truth = content.rates.set_index("facility_id")
    few = 0
    for name, row in rows.items():
        cases, observed = int(truth.loc[name, "cases"]), int(truth.loc[name, "observed"])
        if cases < minimum:
            assert row[2:] == ["[c]"] * len(row[2:])
            assert row[1] == "Too few cases"
        elif is_small(observed) or is_small(cases - observed):
            few += 1
            assert row[3:] == ["[c]"] * len(row[3:])
    assert few > 20
    assert sum(row[3] != "[c]" for row in rows.values()) > 20


def test_sums_over_facilities_give_no_facility_away(make_report, make_rates):
    content = make_report("ASC-17", 60)
    rates = content.rates.copy()
    keep = (rates["observed"] > 10) & (rates["cases"] >= 35)
    alone = rates[~keep].head(1)
    rates = rates[keep | rates.index.isin(alone.index)].reset_index(drop=True)
    content = make_report("ASC-17", rates=rates)
    facilities = read_facilities(content, "public")
    frame, hidden = facilities.frame, facilities.hide_results
    assert hidden.sum() >= 2
    assert (frame["observed"][hidden] > SMALL_CELL).any()
    left = content.n_events - frame["observed"][~hidden].sum()
    assert left > int(alone["observed"].iloc[0])


def test_the_sum_of_the_hidden_values_is_not_small_either():
    values = np.array([3, 4, 90])
    assert protect_sum(Column.of_counts(values), values < 11).all()


def test_one_column_with_a_sum_hides_until_no_value_is_narrowed():
    values = np.array([30, 1, 1, 45])
    assert protect_sum(Column.of_counts(values), values < 11).tolist() == [True, True, True, False]
    assert protect_sum(Column.of_counts(np.array([7, 8, 90])), np.array([True, True, False])).all()
    assert protect_sum(Column.of_counts(np.array([2, 9, 90])), np.array([True, True, False])).sum() == 2


def test_shares_of_rare_risk_factors_are_hidden(make_report, make_model, outline):
    model = make_model()
    content = make_report("ASC-12", 30)
    shares = [4 / content.n_cases, 1 - 4 / content.n_cases, 0.5]
    for term, share in zip(model["coefficients"][1:4], shares, strict=True):
        term["prevalence"] = share
    content = make_report("ASC-12", 30, model=model)
    rows = outline(render_report(content, profile="public")).table("Risk factors: odds")
    assert [row[1] for row in rows[2:5]] == ["[c]", "[c]", "50.0 %"]
    rows = outline(render_report(content)).table("Risk factors: odds")
    assert "[c]" not in [row[1] for row in rows[2:5]]


def test_sentences_with_small_counts_are_left_out_of_public_pages(make_report):
    notes = ("4 claims were skipped", "1,204 codes are newer than the map")
    content = make_report("ASC-12", 30, notes=notes)
    public, own = render_report(content, profile="public"), render_report(content)
    assert "4 claims were skipped" not in public
    assert "1 further note is not shown here" in public
    assert "1,204 codes" in public
    assert "3 cases have it" not in public
    assert "4 claims were skipped" in own
    assert "3 cases have it" in own


def test_cases_and_events_are_the_last_to_be_hidden():
    cells = {"start": 70, "first": 27, "middle": 43, "last": 3, "cases": 40}
    totals = [Total("start", ("first", "middle")), Total("middle", ("last", "cases"))]
    assert "cases" in suppress(cells, totals)
    assert suppress(cells, totals, keep=["cases"]) == {"last", "middle", "first"}


def test_hidden_totals_hide_the_facilities_that_add_up_to_them(make_report, make_rates):
    rates = make_rates(make_report("ASC-17", 3).measure, 3, 1)
    rates = rates.assign(
        cases=[200, 300, 400], observed=[0, 0, 7], category=["No Different Than the National Rate"] * 3
    )
    content = make_report("ASC-17", rates=rates)
    assert "events" in count_run(content, "public").hidden
    assert read_facilities(content, "public").hide_results.all()


def test_a_column_whose_sum_is_shown_leaves_each_small_value_its_range():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = rng.choice([0, 1, 2, 9, 10, 11, 30, 200], 6)
        small = (values >= 1) & (values <= 10)
        column = Column.of_counts(values)
        hidden = protect_sum(column, small)
        assert np.all(hidden[small])
        total = values[hidden].sum()
        low = np.select([small, values > 10], [1, 11], 0)[hidden]
        high = np.select([small, values > 10], [10, 10_000], 0)[hidden]
        for k in np.flatnonzero(small[hidden]):
            least = max(low[k], total - (high.sum() - high[k]))
            most = min(high[k], total - (low.sum() - low[k]))
            assert (least, most) == (1, 10) or (hidden.all() and column.gives_away(hidden))


def test_counts_and_shares_that_stand_alone():
    assert [shown_count(n) for n in (0, 1, 10, 11)] == [0, HIDDEN, HIDDEN, 11]
    assert shown_count(HIDDEN) is HIDDEN
    assert shown_count(15, limit=20) is HIDDEN
    assert [shown_share(n, 100) for n in (0, 10, 11, 89, 90, 100)] == [0.0, HIDDEN, 0.11, 0.89, HIDDEN, 1.0]
    assert shown_share(0, 10) is HIDDEN
    assert shown_share(0, 0) is None
    assert shown_share(20, HIDDEN) is HIDDEN
    assert shown_parts([0, 50]) == [0, 50]
    assert shown_parts([10, 50, 90]) == [HIDDEN, HIDDEN, 90]


def solve_rows(rows, hidden):
    """Least and most events of each hidden row, when its size is known and so are all totals."""
    left = sum(e for (e, _), h in zip(rows, hidden, strict=True) if h)
    known = []
    for e, f in (row for row, h in zip(rows, hidden, strict=True) if h):
        low, high = (1, 10) if is_small(e) else (0, e + f) if e + f <= SMALL_CELL else (SMALL_CELL + 1, e + f)
        low, high = (max(low, e + f - 10), min(high, e + f - 1)) if is_small(f) else (low, high)
        known.append((low, high))
    lows, highs = (sum(column) for column in zip(*known, strict=True))
    return [(max(low, left - (highs - high)), min(high, left - (lows - low))) for low, high in known], known


@pytest.mark.parametrize(
    "rows",
    [
        [(40, 900), (30, 900), (4, 900), (25, 900)],
        [(900, 40), (900, 30), (900, 4), (900, 25)],
        [(3, 90), (4, 90), (50, 90), (60, 90)],
        [(0, 90), (10, 90), (0, 90), (30, 90)],
        [(20, 3), (3, 20), (400, 400), (50, 60)],
        [(2, 90)] * 10,
    ],
)
def test_rows_of_a_table_by_groups_keep_their_range(rows):
    hidden = suppress_table(rows)
    assert all(h for (e, f), h in zip(rows, hidden, strict=True) if is_small(e) or is_small(f))
    assert not all(hidden) or len(rows) == 10
    small = [is_small(e) or is_small(f) for (e, f), h in zip(rows, hidden, strict=True) if h]
    for found, known, must_keep in zip(*solve_rows(rows, hidden), small, strict=True):
        assert found == known or not must_keep
    assert suppress_table(rows) == hidden
    assert suppress_table([(40, 90), (0, 50), (60, 0)]) == [False, False, False]


def test_a_group_that_is_small_itself_is_hidden_with_another():
    hidden = suppress_table([(0, 7), (40, 900), (30, 500)])
    assert hidden[0]
    assert sum(hidden) == 2


def test_an_order_among_counts_is_used_by_the_attack_and_by_the_choice():
    cells = {"cases": 40, "with": 36, "without": 4, "visits": 37}
    totals, orders = [Total("cases", ("with", "without"))], [AtMost("with", "visits")]
    assert attack(cells, totals, {"with", "without"}) == []
    assert attack(cells, totals, {"with", "without"}, at_most=orders) == ["without"]
    hidden = suppress(cells, totals, at_most=orders)
    assert attack(cells, totals, hidden, at_most=orders) == []
    assert len(hidden) == 3


def test_cells_that_no_table_has_are_protected_too():
    cells = {"cases": 500, "age70": 200, "age75": 150, "age80": 146, "reference": 4}
    totals = [Total("cases", ("age70", "age75", "age80", "reference"))]
    hidden = suppress(cells, totals, unprinted=["reference"], keep=["cases"])
    assert hidden == {"age80"}
    assert attack(cells, totals, hidden, unprinted=["reference"]) == []
    assert attack(cells, totals, [], unprinted=["reference"]) == ["reference"]


def test_parts_of_a_small_total_are_hidden_with_their_zeros():
    cells = {"all": 10, **{f"p{k}": 1 for k in range(10)}, "p10": 0}
    totals = [Total("all", tuple(name for name in cells if name != "all"))]
    assert suppress(cells, totals) == set(cells)
    assert attack(cells, totals, cells) == []


def test_age_bands_and_their_reference_are_one_system(make_report, make_model):
    model, n = make_model(), 20_000
    shares = {"age_70_74": 8_000, "age_75_79": 6_000, "age_80_84": 4_000, "age_85_plus": 1_996, "arrhythmia": 5}
    model["coefficients"] = [
        {**model["coefficients"][1], "factor": name, "label": name, "prevalence": count / n}
        for name, count in shares.items()
    ]
    content = make_report("ASC-12", 30, model=model)
    scaled = {name: round(count / n * content.n_cases) for name, count in shares.items()}
    left = content.n_cases - sum(v for name, v in scaled.items() if name.startswith("age"))
    model["coefficients"][3]["prevalence"] = (scaled["age_85_plus"] + left - 4) / content.n_cases
    counts = count_run(make_report("ASC-12", 30, model=model), "public")
    assert counts.hides_factor("age_85_plus")
    assert not counts.hides_factor("age_70_74")
    assert not counts.hides_factor("age_75_79")


def test_cases_of_a_hidden_facility_are_hidden_where_its_category_tells_of_them():
    rates = pd.DataFrame({"cases": [300, 300, 90, 5000, 400], "observed": [5, 5, 0, 9, 30], "expected": [0.02] * 5})
    flagged = np.array([False, True, True, False, True])
    rows = hide_facilities(rates, 35, flagged=flagged, tau=0.25, level=0.95)
    assert rows.cases.tolist() == [False, True, False, True, False]
    assert rows.results.tolist() == [True, True, False, True, True]


def test_two_facilities_that_a_total_gives_away_hide_the_total():
    rates = pd.DataFrame({"cases": [300, 300], "observed": [10, 10], "expected": [0.02] * 2})
    rows = hide_facilities(rates, 35, flagged=np.zeros(2, bool), tau=0.25, level=0.95)
    assert rows.results.all()
    assert rows.sums is not None
    assert rows.sums.known["facility000000.events"] == (1.0, 10.0)


def test_a_facility_that_knows_its_own_number_does_not_learn_of_another():
    column = Column.of_counts(np.array([4, 20, 30, 60]))
    small = column.counts < 11
    assert protect_sum(column, small).tolist() == [True, True, False, False]
    assert protect_sum(column, small, insider=True).tolist() == [True, True, True, False]
    many = Column.of_counts(np.full(40, 5))
    assert not many.gives_away(np.ones(40, bool), insider=True)


def test_ten_thousand_facilities_are_hidden_at_once():
    rng = np.random.default_rng(5)
    cases = rng.integers(1, 3000, 10_000)
    rates = pd.DataFrame({"cases": cases, "observed": rng.binomial(cases, 0.02), "expected": 0.02})
    rows = hide_facilities(rates, 35, flagged=np.zeros(10_000, bool), tau=0.25, level=0.95)
    assert rows.sums is None
    assert 0 < rows.results.sum() < 10_000
