"""Counts of groups: an attacker with every group's workbook learns no small count."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linprog

from riskstd.report.workbook.protect import Groups, is_open, protect_line, protect_table, small


def reach(values, hidden, columns_known, target):
    """Least and largest value of one hidden cell, given all that is shown, row totals and known column totals."""
    cells = [tuple(c) for c in np.argwhere(hidden)]
    place = {cell: k for k, cell in enumerate(cells)}
    equations, known = [], []
    lines = [[(r, c) for c in range(values.shape[1])] for r in range(values.shape[0])]
    lines += [[(r, c) for r in range(values.shape[0])] for c in np.flatnonzero(columns_known)]
    for line in lines:
        row = np.zeros(len(cells))
        for cell in line:
            if cell in place:
                row[place[cell]] = 1
        if row.any():
            equations.append(row)
            known.append(sum(values[cell] for cell in line if cell in place))
    bounds = [(1, 10) if 1 <= values[cell] <= 10 else (0, None) for cell in cells]
    goal = np.zeros(len(cells))
    goal[place[target]] = 1
    solve = [linprog(s * goal, A_eq=np.array(equations), b_eq=known, bounds=bounds, method="highs") for s in (1, -1)]
    assert all(answer.status == 0 for answer in solve)
    return solve[0].fun, -solve[1].fun


def exposed(values, hidden, columns_known):
    return [
        tuple(cell)
        for cell in np.argwhere(hidden & small(values))
        if np.diff(reach(values, hidden, columns_known, tuple(cell)))[0] < 1 - 1e-6
    ]


def random_table(rng):
    shape = (int(rng.integers(3, 7)), int(rng.integers(2, 6)))
    table = rng.choice([0, 1, 4, 9, 12, 30, 200], shape, p=[0.15, 0.05, 0.1, 0.05, 0.15, 0.2, 0.3])
    return table.astype(np.int64)


@pytest.mark.parametrize("seed", range(60))
def test_no_small_count_of_a_table_can_be_solved_for(seed):
    rng = np.random.default_rng(seed)
    values = random_table(rng)
    columns_known = ~small(values.sum(axis=0))
    hidden = protect_table(values, columns_known)
    assert hidden[small(values)].all()
    told = small(values) & ~is_open(values, hidden, columns_known)
    assert hidden.all() or not told.any()
    open_ones = [cell for cell in exposed(values, hidden, columns_known) if not told[cell]]
    assert open_ones == []


def test_most_tables_keep_something_to_show():
    shown = 0.0
    for seed in range(60):
        values = random_table(np.random.default_rng(seed)) * 5
        shown += np.mean(~protect_table(values, ~small(values.sum(axis=0)))) / 60
    assert shown > 0.3


def test_the_attack_finds_what_primary_suppression_alone_leaves_open():
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(40):
        values = random_table(rng)
        found += len(exposed(values, small(values), np.ones(values.shape[1], dtype=bool)))
    assert found > 20


def test_sum_of_hidden_values_is_not_small():
    values = np.array([3, 4, 90, 20])
    hidden = protect_line(values, small(values))
    assert values[hidden].sum() > 10
    assert hidden.sum() == 3


def test_a_table_that_its_totals_give_away_closes_the_group():
    own = np.array([[10, 10], *[[0, 0]] * 20])
    groups = Groups.of(("Nation",), np.zeros(21, dtype=np.int64), own.sum(axis=1), {"outcome": own})
    assert groups.hidden["outcome"].all()
    assert groups.closed.all()
    assert not groups.seen_by(5, {"outcome": own[5]}).is_shown


def test_nothing_is_hidden_without_a_small_count():
    values = np.array([[0, 50], [11, 80]])
    assert not protect_table(values, np.array([True, True])).any()


def test_a_member_cannot_take_off_its_own_count():
    own = np.array([[9, 91], [40, 60], [0, 100], *[[0, 100]] * 12])
    cases = own.sum(axis=1)
    groups = Groups.of(("Nation",), np.zeros(len(own), dtype=np.int64), cases, {"outcome": own})
    assert groups.counts["outcome"].tolist() == [[49, 1451]]
    seen = groups.seen_by(1, {"outcome": own[1]})
    assert seen.hidden["outcome"].all()
    assert not groups.seen_by(2, {"outcome": own[2]}).hidden["outcome"].any()


@pytest.mark.parametrize(("members", "shown"), [(1, True), (2, False), (11, False), (12, True)])
def test_a_group_with_one_to_ten_others_is_not_shown(members, shown):
    cases = np.full(members, 100)
    own = np.tile([30, 70], (members, 1))
    groups = Groups.of(("State",), np.zeros(members, dtype=np.int64), cases, {"outcome": own})
    assert groups.seen_by(0, {"outcome": own[0]}).is_shown is shown
