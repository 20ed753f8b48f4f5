"""The claims steps read each table once, keep a memory limit, leave nothing behind, and tell true progress."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import riskstd
from riskstd.claims import Claims
from riskstd.claims.cut import CutClaims
from riskstd.cohort import build_cohort
from riskstd.cohort.cut import STEPS, cut_claims
from riskstd.engines import open_engine
from riskstd.errors import InputError, OptionError
from riskstd.outcome import find_hospital_visits
from riskstd.pipeline.engine import claims_for_run, memory_errors
from riskstd.riskfactors import build_risk_factors
from riskstd.spec import load_measure
from riskstd.tables import CLAIMS_TABLES, count_rows

FAST = {"interval": "none"}


def stages(claims, measure):
    cohort = build_cohort(claims, measure)
    visits = find_hospital_visits(claims, cohort, measure)
    risk = build_risk_factors(claims, cohort, measure)
    return {
        "procedures": cohort.procedures,
        "excluded": cohort.excluded,
        "attrition": cohort.attrition,
        "visits": visits.visits,
        "outcomes": visits.outcomes,
        "risk": risk.table,
        "unmapped": risk.unmapped_codes,
    }


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A folder for temporary files that shows what is left in it."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_after_the_cut_nothing_reads_the_claims_tables_again(claims, tmp_path):
    folder = tmp_path / "claims"
    shutil.copytree(claims.folder, folder)
    measures = [load_measure("ASC-12"), load_measure("ASC-18")]
    cut = cut_claims(Claims.from_folder(folder), measures)
    for table in CLAIMS_TABLES:
        (folder / f"{table.name}.parquet").unlink()
    for measure in measures:
        found, alone = stages(cut, measure), stages(claims, measure)
        for name, frame in alone.items():
            assert len(frame), name
            assert frame.equals(found[name]), name


def test_cut_keeps_rows_of_candidates_only(claims):
    measure = load_measure("ASC-19")
    cut = cut_claims(claims, [measure])
    assert cut.covers(measure)
    assert not cut.covers(measure.with_options({"scale": "percent"}))
    assert cut.lines_before == count_rows(claims.professional_lines)
    people = cut.people.person_key.nunique().to_pyarrow().as_py()
    assert 0 < people < count_rows(claims.people)
    for name in ("enrollment", "diagnoses", "stays", "inpatient_claims", "procedures"):
        table = cut.tables[name]
        assert count_rows(table.anti_join(cut.people, "person_key")) < 0.01 * count_rows(claims.tables[name])
        assert 0 < count_rows(table) < 0.6 * count_rows(claims.tables[name]), name


def test_a_cut_that_is_too_narrow_is_made_anew(claims):
    narrow = cut_claims(claims, [load_measure("ASC-19")])
    measure = load_measure("ASC-17")
    # A cut of a cut would lack people; the cohort goes back to where the cut came from.
    cohort = build_cohort(narrow, measure)
    assert cohort.procedures.equals(build_cohort(claims, measure).procedures)


def kept(engine):
    names = engine.raw_sql("SELECT table_name FROM information_schema.tables").fetchall()
    return [name for (name,) in names if name.startswith("ibis_riskstd")]


def test_tables_of_a_cut_are_dropped_with_it(claims):
    engine = open_engine().connection
    cut = cut_claims(claims.on(engine), [load_measure("ASC-18")])
    assert isinstance(cut, CutClaims)
    assert len(kept(engine)) == len(STEPS)
    del cut
    gc.collect()
    assert kept(engine) == []


def test_a_limit_changes_no_row_and_leaves_nothing(claims, scratch):
    measure = load_measure("ASC-18")
    limited = stages(claims_for_run(claims, layout="auto", memory="150MB"), measure)
    for name, frame in stages(claims, measure).items():
        assert frame.equals(limited[name]), name
    gc.collect()
    assert list(scratch.iterdir()) == []


def test_too_little_memory_says_so_and_leaves_nothing(claims, tmp_path, scratch):
    with pytest.raises(InputError, match="need more memory than the 4MB it may use") as error:
        riskstd.run_measures(["ASC-18"], claims=claims.folder, out=tmp_path / "runs", memory="4MB", **FAST)
    assert error.value.exit_code == 2
    assert "more than 4MB" in str(error.value)
    assert not (tmp_path / "runs" / "asc-18").exists()
    del error
    gc.collect()
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("memory", ["much", "1GB'; DROP TABLE people; --"])
def test_a_limit_that_cannot_be_read(memory, scratch):
    with pytest.raises(OptionError, match="cannot be read"):
        open_engine(memory=memory)


def test_claims_in_memory_cannot_be_limited(tmp_path):
    claims = Claims.from_frames({"people": [{"person_key": 1}]})
    with pytest.raises(OptionError, match="lie in memory"):
        riskstd.run_measure("ASC-18", claims=claims, out=tmp_path, memory="1GB")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said(scratch):
    import duckdb

    with pytest.raises(InputError, match="disk is full"), memory_errors(None):
        raise duckdb.IOException("Could not write file: No space left on device")
    with pytest.raises(duckdb.IOException), memory_errors(None):
        raise duckdb.IOException("something else")


def test_scratch_is_for_its_owner_only(scratch):
    engine = open_engine().connection
    folder = next(scratch.iterdir())
    assert folder.stat().st_mode & 0o077 == 0
    assert Path(engine.raw_sql("SELECT current_setting('temp_directory')").fetchone()[0]).parent == folder


def test_scratch_of_a_killed_process_goes_and_of_a_living_one_stays(scratch):
    first = open_engine().connection
    mine = next(scratch.iterdir())
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    abandoned = mine.with_name(mine.name.replace(str(os.getpid()), done.stdout.decode().strip(), 1))
    (abandoned / "spill").mkdir(parents=True)
    elsewhere = scratch / "riskstd-engine-other_machine-1-x"
    elsewhere.mkdir()
    second = open_engine().connection
    assert not abandoned.exists()
    assert elsewhere.exists()
    assert mine.exists()
    assert first.raw_sql("SELECT 1").fetchone() == second.raw_sql("SELECT 1").fetchone()


def test_progress_grows_from_nothing_to_all(claims, tmp_path):
    calls = []
    riskstd.run_measures(
        ["ASC-18"],
        claims=claims.folder,
        out=tmp_path,
        interval="bootstrap",
        n_bootstrap=20,
        progress=lambda *call: calls.append(call),
    )
    points = [done for done, _, _ in calls]
    assert points == sorted(points)
    assert points[0] == 0
    assert {total for _, total, _ in calls} == {points[-1]}
    told = [what for _, _, what in calls]
    for step in ("cohort", "hospital visits", "risk factors", "bootstrap", "writing", "done"):
        assert f"ASC-18: {step}" in told
    assert [what for what in told if what.startswith("claims of candidates: ")] == [
        f"claims of candidates: {name.replace('_', ' ')}" for name in STEPS
    ]
