"""A nation in blocks: texture, blocks that stand alone, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import riskstd
from riskstd.errors import InputError, OptionError
from riskstd.synth import nation as nation_module
from riskstd.synth import synthesize
from riskstd.synth.blocks import Writer
from riskstd.synth.nation import draw_nation
from riskstd.synth.place import delivery
from riskstd.synth.plan import CodeYear, Plan, Vocabulary, day_of
from riskstd.synth.synthesize import MEASURES
from riskstd.synth.volumes import nation_facts
from riskstd.tables import to_frame

PEOPLE, SEED = 2_000, 6


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A very small nation in three blocks."""
    folder = tmp_path_factory.mktemp("nation") / "out"
    with pytest.MonkeyPatch.context() as patch:
        _small(patch)
        summary = synthesize(folder, people=PEOPLE, seed=SEED)
    assert summary.people == PEOPLE
    return folder


def _small(patch):
    patch.setattr(nation_module, "BLOCK_PEOPLE", 700)
    patch.setattr(nation_module, "PILOT_PROCEDURES", 150)


def _read(folder, name):
    return pa.concat_tables([pq.read_table(path) for path in sorted(folder.glob(f"{name}_0*.parquet"))])


def _digests(folder):
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}  # fmt: skip


# ---- texture ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "line", "about"),
    [
        ("carrier_base", "carrier_line", 2),
        ("outpatient_base", "outpatient_revenue", 7),
        ("inpatient_base", "inpatient_revenue", 17),
    ],
)
def test_lines_per_claim(out, base, line, about):
    claims, lines = _read(out / "claims", base), _read(out / "claims", line)
    assert len(lines) / len(claims) == pytest.approx(about, rel=0.06)
    assert set(lines["CLM_ID"].unique().to_pylist()) == set(claims["CLM_ID"].to_pylist())


def test_professional_lines_per_covered_person_year(out):
    months = 0
    for year in range(2021, 2025):
        table = _read(out / "claims", f"mbsf_{year}")
        for month in range(1, 13):
            paid = pc.invert(pc.equal(table[f"MDCR_ENTLMT_BUYIN_IND_{month:02d}"], "0"))
            free = pc.is_in(pc.fill_null(table[f"HMO_IND_{month:02d}"], "0"), pa.array(["0", "4"]))
            months += pc.sum(pc.and_(paid, free)).as_py()
    assert len(_read(out / "claims", "carrier_line")) / (months / 12) == pytest.approx(30, rel=0.1)


def test_denied_and_replaced_claims_occur(out):
    carrier, outpatient = _read(out / "claims", "carrier_base"), _read(out / "claims", "outpatient_base")
    denied = pc.mean(pc.equal(carrier["CARR_CLM_PMT_DNL_CD"], "0")).as_py()
    assert denied == pytest.approx(nation_facts()["care"]["denied"], abs=0.006)
    replaced = pc.mean(pc.equal(outpatient["CLM_FREQ_CD"], "7")).as_py()
    assert replaced == pytest.approx(nation_facts()["care"]["replaced"], abs=0.006)
    assert "8" in outpatient["CLM_FREQ_CD"].unique().to_pylist()


def test_facility_lines_are_not_all_of_a_measure(out):
    lines = _read(out / "claims", "carrier_line")
    lines = lines.filter(pc.equal(lines["LINE_CMS_TYPE_SRVC_CD"], "F"))
    other = pc.mean(pc.is_in(lines["HCPCS_CD"], pa.array(nation_facts()["other_surgery"]["codes"]))).as_py()
    assert 0.1 < other < 0.9


def test_codes_hold_on_the_day_of_their_claim(out):
    for kind in ("carrier", "outpatient", "inpatient"):
        claims = _read(out / "claims", f"{kind}_base")
        days = claims["CLM_THRU_DT"].cast(pa.int32()).to_numpy()
        for code, entry in nation_facts()["code_years"].items():
            first = entry["first_day"]
            first = day_of(first.year, first.month, first.day)
            has = np.zeros(len(claims), dtype=bool)
            for name in claims.column_names:
                if "DGNS_CD" in name and "VRSN" not in name:
                    has |= pc.fill_null(pc.equal(claims[name], code), False).to_numpy()
            wrong = days < first if "before" in entry else days >= first
            assert not (has & wrong).any(), (kind, code)


def test_code_years_change_principal_and_line_diagnoses():
    vocabulary = Vocabulary()
    old, new = vocabulary("G20"), vocabulary("G20A1")
    plan = Plan(vocabulary)
    day = day_of(2023, 10, 1)
    claim = plan.new_claims(3)
    plan.add("carrier", "claims", claim=claim, person=0, last=[day - 1, day, day], principal=[new, old, new])
    plan.add("carrier", "lines", claim=claim, diagnosis=[new, old, -1])
    plan.settle_code_years([CodeYear(new, old, new, day), CodeYear(old, old, new, day)])
    assert plan.columns("carrier", "claims")["principal"].tolist() == [old, new, new]
    assert plan.columns("carrier", "lines")["diagnosis"].tolist() == [old, new, -1]


# ---- blocks -----------------------------------------------------------------------------------


def test_people_ascend_from_block_to_block(out):
    parts = [pq.read_table(path)["BENE_ID"] for path in sorted((out / "claims").glob("carrier_base_0*"))]
    assert len(parts) == 3
    bounds = [(pc.min(part).as_py(), pc.max(part).as_py()) for part in parts]
    assert all(one[1] < other[0] for one, other in itertools.pairwise(bounds))
    for part in parts:
        assert part.to_pylist() == sorted(part.to_pylist())
    claims = _read(out / "claims", "carrier_base")["CLM_ID"]
    assert len(claims.unique()) == len(claims)


def test_a_block_does_not_depend_on_others(out, tmp_path, monkeypatch):
    _small(monkeypatch)
    nation = draw_nation(PEOPLE, SEED, MEASURES)
    for name in ("claims", "truth"):
        (tmp_path / name).mkdir()
    Writer(nation, nation.land(), tmp_path, "ccw", "parquet").write(1)
    alone, whole = _digests(tmp_path), _digests(out)
    assert len(alone) == 18
    assert {name: whole[name] for name in alone} == alone


def test_counts_add_up(out, monkeypatch):
    _small(monkeypatch)
    nation = draw_nation(PEOPLE, SEED, MEASURES)
    assert nation.blocks == 3
    procedures = len(_read(out / "truth", "index_procedures")) + len(_read(out / "truth", "excluded_procedures"))
    planned = sum(nation.procedures(block) for block in range(nation.blocks))
    assert planned == round(sum(nation.candidates.values()))
    # Few procedures meet another one of the same person, facility and day.
    assert procedures == pytest.approx(planned, rel=0.01)
    facilities = pq.read_table(out / "truth" / "facilities.parquet")
    assert set(_read(out / "truth", "index_procedures")["facility_id"].to_pylist()) <= set(
        facilities["facility_id"].to_pylist()
    )


def test_a_frozen_vocabulary_takes_no_new_text():
    vocabulary = Vocabulary()
    vocabulary("a")
    vocabulary.freeze()
    assert vocabulary("a") == 0
    with pytest.raises(KeyError, match="takes no new text"):
        vocabulary("b")


@pytest.mark.slow
def test_bytes_do_not_depend_on_the_number_of_workers(out, tmp_path, monkeypatch):
    _small(monkeypatch)
    several = synthesize(tmp_path / "two", people=PEOPLE, seed=SEED, workers=3)
    assert _digests(several.folder) == _digests(out)


# ---- whole or not at all ----------------------------------------------------------------------


def test_a_failed_delivery_leaves_what_was_there(tmp_path):
    synthesize(tmp_path / "out", measures=["ASC-18"], facilities=2, procedures=20)
    before = _digests(tmp_path / "out")
    for name in ("out", "new"):
        with pytest.raises(RuntimeError, match="stop"):
            _write_half(tmp_path / name)
    assert _digests(tmp_path / "out") == before
    assert not (tmp_path / "new").exists()


def _write_half(out):
    with delivery(out) as folder:
        (folder / "claims" / "carrier_base_0000.parquet").write_bytes(b"half")
        raise RuntimeError("stop")


def test_what_a_killed_call_left_is_removed(tmp_path):
    left = tmp_path / ".unfinished" / "claims"
    left.mkdir(parents=True)
    (left / "carrier_base_0000.parquet").write_bytes(b"half")
    synthesize(tmp_path, measures=["ASC-18"], facilities=2, procedures=20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.txt", "claims", "truth"]


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device", "carrier_line_0000.parquet")

    monkeypatch.setattr("riskstd.synth.files.pq.write_table", full)
    with pytest.raises(InputError, match="could not be written: No space left on device") as caught:
        synthesize(tmp_path / "out", measures=["ASC-18"], facilities=2, procedures=20)
    assert "carrier_line" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_foreign_claims_are_not_replaced(tmp_path):
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims" / "mine.csv").write_text("a\n1\n")
    with pytest.raises(OptionError, match="no synthetic delivery"):
        synthesize(tmp_path, measures=["ASC-18"], facilities=2, procedures=20)
    assert (tmp_path / "claims" / "mine.csv").read_text() == "a\n1\n"


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1.0, 6.0, 9.0, 12.0])
def test_a_killed_call_leaves_nothing_that_looks_whole(tmp_path, seconds):
    folder = tmp_path / "out"
    program = str(Path(sys.executable).with_name("riskstd"))
    command = [program, "synth", "--scale", "60000", "--workers", "2", "--out", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    if folder.exists():
        assert {path.name for path in folder.iterdir()} <= {".unfinished"}
    deadline = time.monotonic() + 20
    while _alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not _alive(process.pid), "workers outlive the call that started them"


def _alive(session: int) -> bool:
    """Tell whether a process of a session runs."""
    found = subprocess.run(["ps", "-o", "stat=", "-s", str(session)], capture_output=True, text=True, check=False)
    return any(not state.startswith("Z") for state in found.stdout.split())


# ---- against the engine -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["ccw", "flat"])
def test_the_engine_finds_the_truth_of_a_nation(tmp_path, layout):
    folder = synthesize(tmp_path, people=6_000, seed=2, layout=layout).folder
    claims = riskstd.read_claims(folder / "claims")
    persons = to_frame(claims.person_keys)
    for name in MEASURES:
        measure = riskstd.load_measure(name)
        cohort = riskstd.build_cohort(claims, measure)
        visits = riskstd.find_hospital_visits(claims, cohort, measure)
        risk = riskstd.build_risk_factors(claims, cohort, measure)
        found = cohort.procedures.merge(persons, on="person_key").merge(visits.outcomes).merge(risk.table)
        columns = ["outcome", *measure.factor_columns]
        assert _keyed(found, columns) == _keyed(_truth(folder, name), columns)
        excluded = cohort.excluded.merge(persons, on="person_key")
        truth = _read(folder / "truth", "excluded_procedures").to_pandas()
        assert _keyed(excluded, ["excluded_by"]) == _keyed(truth[truth["measure"] == name], ["excluded_by"])


def _truth(folder, measure):
    outcomes = _read(folder / "truth", "outcomes").to_pandas()
    factors = _read(folder / "truth", f"risk_factors_{measure}").to_pandas()
    own = outcomes[outcomes["measure"] == measure]
    assert len(own) == len(factors) > 50
    return own.merge(factors, on=["person_id", "facility_id", "procedure_date"])


def _keyed(frame, columns):
    """Values by person, facility and day."""
    days = pd.to_datetime(frame["procedure_date"]).dt.strftime("%Y-%m-%d")
    facility = frame["facility_id"].astype(object).where(frame["facility_id"].notna(), "")
    keys = zip(frame["person_id"], facility, days, strict=True)
    values = (
        tuple(v if isinstance(v, str) else float(v) for v in row) for row in frame[columns].itertuples(index=False)
    )
    return dict(zip(keys, values, strict=True))
