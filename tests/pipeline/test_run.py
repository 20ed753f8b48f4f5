"""A run leaves the files of the design page, whole or not at all, the same bytes for the same seed."""

from __future__ import annotations

import csv
import hashlib
import json

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import riskstd
from riskstd.claims import Claims
from riskstd.errors import InputError, OptionError
from riskstd.pipeline.write import write_parquet
from riskstd.tables import FACILITY_RATES, HOSPITAL_VISITS, INDEX_PROCEDURES, OUTCOMES

FILES = {
    "attrition.csv",
    "index_procedures.parquet",
    "excluded_procedures.parquet",
    "hospital_visits.parquet",
    "outcomes.parquet",
    "risk_factors.parquet",
    "unmapped_codes.csv",
    "model.json",
    "facility_rates.parquet",
    "facility_rates.csv",
    "manifest.json",
    "report",
}
RATES = FILES - {"model.json", "facility_rates.parquet", "facility_rates.csv"}


@pytest.fixture(scope="module")
def run(claims, tmp_path_factory):
    return riskstd.run_measure("ASC-18", claims=claims, out=tmp_path_factory.mktemp("runs"), n_bootstrap=20, seed=3)


def hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


def test_files_and_columns(run):
    assert {path.name for path in run.folder.iterdir()} == FILES
    for name, table in {
        "index_procedures": INDEX_PROCEDURES,
        "hospital_visits": HOSPITAL_VISITS,
        "outcomes": OUTCOMES,
        "facility_rates": FACILITY_RATES,
    }.items():
        assert pq.read_schema(run.folder / f"{name}.parquet").names == list(table.names)
    factors = pq.read_schema(run.folder / "risk_factors.parquet").names
    assert factors == ["procedure_id", *run.measure.factor_columns]
    assert (run.folder / "report" / "index.html").is_file()


def test_risk_factors_take_a_byte_in_memory_and_keep_their_types_in_the_file(run):
    kinds = run.risk.narrow_table.dtypes.astype(str).to_dict()
    assert (kinds.pop("procedure_id"), kinds.pop("work_rvu")) == ("int64", "float64")
    assert set(kinds.values()) == {"int8"}
    assert (run.risk.narrow_table == run.risk.table).all(axis=None)
    saved = pq.read_table(run.folder / "risk_factors.parquet")
    assert saved.schema == run.risk.lazy_table.schema().to_pyarrow()
    assert saved.to_pandas().equals(run.risk.table)


@pytest.mark.parametrize("rows", [0, 1, 8, 9, 25])
def test_a_file_written_group_by_group_is_that_of_the_whole_table(rows, tmp_path, monkeypatch):
    monkeypatch.setattr("riskstd.pipeline.write._ROWS_IN_A_GROUP", 8)
    wide = pa.schema([("number", pa.int64()), ("flag", pa.int32())])
    narrow = pa.table({"flag": pa.array([k % 2 for k in range(rows)], pa.int8()), "number": pa.array(range(rows))})
    write_parquet(narrow, tmp_path / "groups.parquet", schema=wide)
    pq.write_table(
        narrow.select(["number", "flag"]).cast(wide), tmp_path / "whole.parquet", compression="zstd", row_group_size=8
    )
    assert (tmp_path / "groups.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_csv_of_rates_is_at_full_precision(run):
    with (run.folder / "facility_rates.csv").open(newline="") as stream:
        from_csv = list(csv.DictReader(stream))
    from_parquet = pq.read_table(run.folder / "facility_rates.parquet").to_pylist()
    for name in ("predicted", "expected", "ratio", "rate", "lower", "upper", "effect"):
        assert [float(row[name]) for row in from_csv] == [row[name] for row in from_parquet], name


def test_national_rate_is_the_crude_rate_of_all_cases(run):
    model = json.loads((run.folder / "model.json").read_text())
    outcomes = pq.read_table(run.folder / "outcomes.parquet").to_pandas()["outcome"]
    assert model["national_rate"] == pytest.approx(outcomes.mean(), rel=1e-12)
    rates = run.rates
    assert rates["rate"].to_numpy() == pytest.approx(rates["ratio"].to_numpy() * outcomes.mean() * 100, rel=1e-12)
    assert int(rates["cases"].sum()) == len(outcomes)
    assert int(rates["observed"].sum()) == int(outcomes.sum())


def test_manifest_says_what_went_in(run):
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["definition"]["sha256"] == run.measure.sha256
    assert manifest["definition"]["fidelity"] == "partly reconstructed, not a CMS result"
    assert manifest["settings"]["seed"] == 3
    assert manifest["counts"]["index_procedures"] == len(run.cohort.procedures)
    assert set(manifest["definition"]["tables"]) == set(run.measure.tables_used())


def test_a_finished_run_holds_no_frames_and_gives_them_again(run, tmp_path):
    run.cohort.release_frames()
    assert not {"procedures", "excluded"} & vars(run.cohort).keys()
    saved = pq.read_table(run.folder / "index_procedures.parquet").to_pandas()
    assert run.cohort.procedures["claim_id"].tolist() == saved["claim_id"].tolist()
    assert run.cohort.procedures is run.cohort.procedures
    fresh = riskstd.run_measure("ASC-18", claims=run.cohort.claims, out=tmp_path, interval="none")
    assert not {"procedures", "excluded"} & vars(fresh.cohort).keys()
    assert not {"visits", "outcomes"} & vars(fresh.visits).keys()
    assert not {"table", "narrow_table", "unmapped_codes"} & vars(fresh.risk).keys()
    assert fresh.visits.visits.equals(run.visits.visits)
    assert fresh.risk.table.equals(run.risk.table)


def test_same_seed_same_bytes_on_one_thread_or_many(run, claims, tmp_path):
    con = ibis.duckdb.connect(threads=1)
    one_thread = Claims.from_folder(claims.folder, connection=con)
    again = riskstd.run_measure("ASC-18", claims=one_thread, out=tmp_path, n_bootstrap=20, seed=3)
    assert hashes(again.folder) == hashes(run.folder)


def test_other_seed_changes_intervals_only(run, claims, tmp_path):
    other = riskstd.run_measure("ASC-18", claims=claims, out=tmp_path, n_bootstrap=20, seed=4)
    assert other.rates["rate"].equals(run.rates["rate"])
    assert not other.rates["lower"].equals(run.rates["lower"])


def test_existing_run_is_not_replaced_unless_asked(run, claims):
    with pytest.raises(InputError, match="--overwrite"):
        riskstd.run_measure("ASC-18", claims=claims, out=run.folder.parent, n_bootstrap=20)


def test_nothing_is_left_when_a_run_fails(claims, tmp_path):
    with pytest.raises(OptionError, match="method 'magic'"):
        riskstd.run_measure("ASC-18", claims=claims, out=tmp_path, method="magic")
    assert list(tmp_path.iterdir()) == []


def test_too_few_data_still_writes_the_cohort_and_says_why(claims, tmp_path):
    run = riskstd.run_measure("ASC-18", claims=claims, out=tmp_path, period=("2030-01-01", "2030-12-31"))
    assert run.rates is None
    assert "facilities with cases" in run.no_model_reason
    assert {path.name for path in run.folder.iterdir()} == RATES
    page = (run.folder / "report" / "index.html").read_text("utf-8")
    assert "Too few data for a model" in page
    assert json.loads((run.folder / "manifest.json").read_text())["status"] == "no rates"


def test_options_change_the_run_and_are_recorded(claims, tmp_path):
    run = riskstd.run_measure(
        "ASC-19", claims=claims, out=tmp_path, n_bootstrap=20, options={"scale": "percent"}, interval="plug-in"
    )
    assert json.loads((run.folder / "manifest.json").read_text())["definition"]["options"]["scale"] == "percent"
    assert run.rates["rate"].mean() > 1.2 * run.rates["ratio"].mean()


def test_unknown_option_engine_and_measure_are_said(claims, tmp_path):
    with pytest.raises(OptionError, match="has no option 'colour'"):
        riskstd.run_measure("ASC-19", claims=claims, out=tmp_path, options={"colour": "red"})
    with pytest.raises(OptionError, match="engine 'abacus' is not known"):
        riskstd.run_measure("ASC-19", claims=claims, out=tmp_path, engine="abacus")
    with pytest.raises(InputError, match="no definition of measure 'ASC-99'"):
        riskstd.run_measure("ASC-99", claims=claims, out=tmp_path)


def test_reports_of_a_run_by_audience(run):
    first = riskstd.write_report(run, profile="public")
    assert first == run.folder / "report" / "public" / "index.html"
    assert {"national.html", "reports.json"} <= {path.name for path in first.parent.iterdir()}
    assert riskstd.write_report(run.folder, profile="facility").is_file()


def test_rates_draw_themselves(run):
    figure = run.modelled.rates.plot_caterpillar()
    assert "facilities" in figure.axes[0].get_title(loc="left")
    bare = riskstd.standardize(run.modelled.fit, interval="none")
    with pytest.raises(OptionError, match="no measure to take words"):
        bare.plot_caterpillar()
