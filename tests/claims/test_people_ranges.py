"""Visits worked out range by range of people are those worked out at once."""

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from riskstd import load_measure, read_claims
from riskstd.claims import people_ranges as ranges
from riskstd.claims.visits import visits_of_candidates
from riskstd.cohort.cut import cut_claims
from riskstd.engines import open_engine
from riskstd.synth import synthesize


@pytest.fixture(scope="module")
def claims(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranges")
    synthesize(folder / "raw", measures=["ASC-18"], facilities=12, procedures=600, seed=4)
    read_claims(folder / "raw" / "claims", out=folder / "tables")
    return folder / "tables"


def visits(claims, measure) -> tuple[pd.DataFrame, list[tuple[int, int]]]:
    cut = cut_claims(read_claims(claims).on(open_engine("duckdb").connection), [measure])
    assert cut.candidates is not None
    found = visits_of_candidates(cut, measure, cut.candidates).to_pyarrow().to_pandas()
    return found.sort_values(list(found.columns), ignore_index=True), ranges.people_ranges(cut)


def test_any_number_of_ranges_gives_the_same_visits(claims, monkeypatch):
    measure = load_measure("ASC-18")
    whole, one = visits(claims, measure)
    assert len(one) == 1
    assert len(whole) > 20
    monkeypatch.setattr(ranges, "BYTES_OF_A_ROW", 10**7)
    parts, several = visits(claims, measure)
    assert len(several) > 3
    assert_frame_equal(parts, whole)


def test_ranges_hold_everybody_once(claims, monkeypatch):
    cut = cut_claims(read_claims(claims).on(open_engine("duckdb", memory="200MB").connection), [load_measure("ASC-18")])
    last = cut.people.person_key.max().to_pyarrow().as_py()
    for size in (1, 10**4, 10**6, 10**12):
        monkeypatch.setattr(ranges, "BYTES_OF_A_ROW", size)
        found = ranges.people_ranges(cut)
        assert [key for first, end in found for key in range(first, end + 1)] == list(range(1, last + 1))
