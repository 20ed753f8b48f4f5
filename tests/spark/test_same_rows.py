"""Spark and DuckDB give the same rows, hash for hash, for every stage table of every measure."""

from __future__ import annotations

import pytest

from oracle.checking import merged
from oracle.chooser import SeededChooser
from oracle.palette import palette_of
from oracle.randomclaims import random_claims, without_columns
from riskstd.claims import Claims
from riskstd.spec import list_measures, load_measure
from spark.stages import TABLES, stage_hashes

pytestmark = [
    pytest.mark.spark,
    # PySpark leaves the closing of its sockets to the collector
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
MEASURES = [measure_id for measure_id, _ in list_measures()]
RANDOM_SETS = 40


@pytest.mark.parametrize("measure_id", MEASURES)
def test_synthetic_claims_with_planted_edge_cases(measure_id, claims, on_spark, tmp_path):
    measure = load_measure(measure_id)
    notes, expected = stage_hashes(claims, measure, tmp_path / "duckdb")
    assert set(expected) == TABLES
    assert all(rows for rows, _ in expected.values())
    assert stage_hashes(on_spark, measure, tmp_path / "spark") == (notes, expected)


@pytest.mark.parametrize(("measure_id", "seed"), [("ASC-12", 1), ("ASC-17", 2)])
def test_random_claims_with_missing_values(measure_id, seed, connection, tmp_path):
    palette = palette_of(measure_id)
    tables = merged([random_claims(SeededChooser(seed * 100_003 + n), palette, n) for n in range(RANDOM_SETS)])
    claims = Claims.from_frames({name: list(rows) for name, rows in tables.items() if rows})
    measure = load_measure(measure_id)
    expected = stage_hashes(claims, measure, tmp_path / "duckdb")
    assert expected[1]["index_procedures"][0] > 0
    assert stage_hashes(claims.on(connection), measure, tmp_path / "spark") == expected


def test_claims_that_lack_columns(connection, tmp_path):
    """Place of service alone tells facility lines, and hospitals and bill types are not known."""
    absent = {
        "professional_lines.type_of_service",
        "professional_lines.specialty",
        "inpatient_claims.provider_ccn",
        "inpatient_claims.bill_type",
        "outpatient_lines.bill_type",
    }
    palette = palette_of("ASC-18")
    tables = merged([random_claims(SeededChooser(7 * 100_003 + n), palette, n) for n in range(RANDOM_SETS)])
    rows = {name: list(rows) for name, rows in without_columns(tables, absent).items() if rows}
    claims = Claims.from_frames(rows, absent=absent)
    measure = load_measure("ASC-18")
    expected = stage_hashes(claims, measure, tmp_path / "duckdb")
    assert expected[1]["index_procedures"][0] > 0
    assert stage_hashes(claims.on(connection), measure, tmp_path / "spark") == expected
