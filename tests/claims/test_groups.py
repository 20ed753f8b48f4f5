"""Claims put together group by group of people: the same tables and counts, in whatever order the files hold them."""

from __future__ import annotations

import hashlib
import json
import random
from itertools import pairwise
from types import SimpleNamespace

import deliveries
import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskstd.claims import groups, read_claims
from riskstd.claims.counts import add_counts
from riskstd.claims.groups import PersonGroup, people_in_groups
from riskstd.claims.rowgroups import Coded, _joined
from riskstd.claims.staging import Staged
from riskstd.engines.embedded import memory_limit

PEOPLE = [f"P{number:03}" for number in range(40)]


def mixed_rows():
    """Claims of many people in no order; lines that come twice, without a claim, and without a person."""
    rows = {name: [] for name in deliveries.ccw_rows()}
    for place, person in enumerate(PEOPLE):
        for name, some in deliveries.ccw_rows().items():
            for row in some:
                own = dict(row)
                own["BENE_ID"] = person
                if "CLM_ID" in own:
                    own["CLM_ID"] = f"{own['CLM_ID']}{place:03}"
                rows[name].append(own)
    lines = next(name for name in rows if "carrier" in name and "line" in name)
    rows[lines] += [dict(rows[lines][0]), rows[lines][1] | {"CLM_ID": "nowhere"}, rows[lines][2] | {"BENE_ID": ""}]
    for some in rows.values():
        random.Random(3).shuffle(some)
    return rows


def read(source, out, layout="auto"):
    read_claims(source, layout=layout, out=out)
    files = sorted(path for path in out.rglob("*.parquet"))
    about = json.loads((out / "claims.json").read_text("utf-8"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}, about["counts"]


@pytest.mark.parametrize("rows_of", [mixed_rows, deliveries.tuva_rows, deliveries.lds_rows])
@pytest.mark.parametrize("bytes_of_a_row", [10**8, 10**12])
def test_groups_lead_to_the_same_bytes(rows_of, bytes_of_a_row, tmp_path, monkeypatch):
    source = deliveries.write(tmp_path / "in", rows_of())
    whole = read(source, tmp_path / "whole")
    made = []
    monkeypatch.setattr(groups, "_BYTES_OF_A_ROW", bytes_of_a_row)
    monkeypatch.setattr(
        "riskstd.claims.reader.people_in_groups", lambda *known: made.extend(people_in_groups(*known)) or made
    )
    assert read(source, tmp_path / "grouped") == whole
    if rows_of is mixed_rows:
        assert len(made) > 1
        assert whole[1]["set_aside"]["professional_lines"]["no_person_or_claim"] == 1
        assert whole[1]["set_aside"]["professional_lines"]["line_without_claim"] == 1
        assert whole[1]["set_aside"]["professional_lines"]["duplicate_line"] == 1


CONNECTION = duckdb.connect(config={"memory_limit": "1GB"})
FILES = SimpleNamespace(files=[SimpleNamespace(name="one"), SimpleNamespace(name="two")])


@settings(deadline=None, max_examples=50)
@given(people=st.integers(0, 60), rows=st.integers(0, 10**8))
def test_groups_cover_everybody_once(people, rows):
    persons = f"SELECT i AS person_key, 'P' || i AS person_id FROM range(1, {people} + 1) t(i)"
    CONNECTION.execute(f"CREATE OR REPLACE TABLE every_person_key AS {persons}")
    found = people_in_groups(CONNECTION, FILES, Staged(rows={"one": rows, "two": rows}))
    sizes = [group.last_key - group.first_key + 1 for group in found]
    assert [key for group in found for key in range(group.first_key, group.last_key + 1)] == list(range(1, people + 1))
    assert found[0].first_id is None
    assert found[-1].next_id is None
    assert all(one.next_id == other.first_id == f"P{other.first_key}" for one, other in pairwise(found))
    assert max(sizes) - min(sizes) <= 1
    assert len(found) == max(people, 1) or len(found) * 0.6 * memory_limit(CONNECTION) >= 2 * rows * 150


def test_a_group_knows_the_blocks_it_needs():
    group = PersonGroup(5, 9, "E", "J")
    assert group.holds("A", "E")
    assert group.holds("I", "Z")
    assert not group.holds("A", "D")
    assert not group.holds("J", "Z")
    assert PersonGroup(1, 4, None, "E").holds("A", "B")
    assert not PersonGroup(10, 12, "J", None).holds("A", "I")


def test_lists_of_texts_of_two_groups_become_one():
    one = Coded(np.array([1, 0, -1], np.int32), pa.array(["a", "c"]))
    other = Coded(np.array([0, 1], np.int32), pa.array(["b", "c"]))
    assert _joined([one, other]).arrow().to_pylist() == ["c", "a", None, "b", "c"]


def test_counts_are_added_by_name():
    one = {"set_aside": {"lines": {"b": 1}}, "notes": {"n": 2}}
    other = {"set_aside": {"lines": {"a": 3, "b": 1}}, "notes": {"n": 1}}
    assert add_counts(one, other) == {"notes": {"n": 3}, "set_aside": {"lines": {"a": 3, "b": 2}}}
