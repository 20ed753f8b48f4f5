"""The delivery as a reader meets it: the same bytes again, columns, counts, texture, errors."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from riskstd.errors import OptionError
from riskstd.synth import synthesize


def _digests(folder):
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(folder.rglob("*")) if p.is_file()}  # fmt: skip


def _sorted(table, columns):
    order = pc.sort_indices(table, [(c, "ascending") for c in columns])
    return order.to_pylist() == list(range(len(table)))


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
def test_same_seed_gives_the_same_bytes(tmp_path, file_format):
    settings = {
        "measures": ["ASC-18", "ASC-12"],
        "facilities": 3,
        "procedures": 60,
        "file_format": file_format,
    }
    one, two = (synthesize(tmp_path / name, seed=4, **settings).folder for name in ("one", "two"))
    other = synthesize(tmp_path / "other", seed=5, **settings).folder
    assert _digests(one) == _digests(two)
    assert _digests(one)["truth/index_procedures.parquet"] != _digests(other)["truth/index_procedures.parquet"]


def test_an_earlier_delivery_is_replaced(tmp_path):
    first = synthesize(tmp_path, measures=["ASC-18"], facilities=2, procedures=20, file_format="csv")
    second = synthesize(tmp_path, measures=["ASC-18"], facilities=2, procedures=20)
    assert first.rows == second.rows
    assert not list(tmp_path.rglob("*.csv"))


def test_csv_and_parquet_hold_the_same_rows(tmp_path):
    settings = {"measures": ["ASC-19"], "facilities": 2, "procedures": 20, "edge_cases": False}
    synthesize(tmp_path / "csv", file_format="csv", **settings)
    synthesize(tmp_path / "parquet", **settings)
    lines = (tmp_path / "csv/claims/carrier_line_2023.csv").read_text().splitlines()
    table = pa.parquet.read_table(tmp_path / "parquet/claims/carrier_line_2023.parquet")
    assert lines[0].split(",") == table.column_names
    dates = [d.strftime("%Y%m%d") for d in table["LINE_1ST_EXPNS_DT"].to_pylist()]
    assert [line.split(",")[table.column_names.index("LINE_1ST_EXPNS_DT")] for line in lines[1:]] == dates


def test_rows_are_as_counted_and_sorted(small):
    for name in ("carrier_base", "outpatient_base", "inpatient_base"):
        table = small.claims(name)
        assert len(table) == sum(n for file, n in small.summary.rows.items() if file.startswith(name))
        assert len(table["CLM_ID"].unique()) == len(table)
        assert set(pc.utf8_length(table["CLM_ID"]).to_pylist()) == {15}
    for file in sorted((small.folder / "claims").glob("*_line_*")):
        assert _sorted(pa.parquet.read_table(file), ["BENE_ID", "CLM_ID", "LINE_NUM"])


def test_every_line_has_its_claim_and_every_claim_lies_in_its_year(small):
    for base, line in (
        ("carrier_base", "carrier_line"),
        ("outpatient_base", "outpatient_revenue"),
        ("inpatient_base", "inpatient_revenue"),
    ):
        assert set(small.claims(line)["CLM_ID"].to_pylist()) == set(small.claims(base)["CLM_ID"].to_pylist())
    for file in sorted((small.folder / "claims").glob("*_base_*")):
        years = set(pc.year(pa.parquet.read_table(file)["CLM_THRU_DT"]).to_pylist())
        assert years <= {int(file.stem[-4:])}


def test_slots_are_complete_and_the_first_repeats_the_principal(large):
    carrier, inpatient = large.claims("carrier_base"), large.claims("inpatient_base")
    assert [f"ICD_DGNS_CD{n}" in carrier.column_names for n in (1, 12, 13)] == [True, True, False]
    assert all(f"{name}25" in inpatient.column_names for name in ("ICD_DGNS_CD", "ICD_PRCDR_CD", "PRCDR_DT"))
    assert carrier["PRNCPAL_DGNS_CD"].to_pylist() == carrier["ICD_DGNS_CD1"].to_pylist()


def test_facility_numbers_stand_in_each_of_the_three_fields(large):
    facilities = set(large.truth("facilities")["facility_id"].to_pylist())
    lines = large.claims("carrier_line").filter(pc.field("LINE_CMS_TYPE_SRVC_CD") == "F")
    billing = dict(
        zip(
            *large.claims("carrier_base").select(["CLM_ID", "CARR_CLM_BLG_NPI_NUM"]).to_pydict().values(),
            strict=True,
        )
    )
    first = {0: 0, 1: 0, 2: 0}
    for claim, organization, performing in zip(
        *lines.select(["CLM_ID", "ORG_NPI_NUM", "PRF_PHYSN_NPI"]).to_pydict().values(), strict=True
    ):
        keys = (billing[claim], organization, performing)
        position = next(i for i, key in enumerate(keys) if key)
        assert keys[position] in facilities
        first[position] += 1
    shares = np.array(list(first.values())) / sum(first.values())
    assert shares == pytest.approx([0.7, 0.2, 0.1], abs=0.02)


def test_texture_of_professional_claims(large):
    lines, base = large.claims("carrier_line"), large.claims("carrier_base")
    assert 1.3 < len(lines) / len(base) < 2.2
    person_years = large.summary.people * (400 + 45) / 365
    assert 8 < len(lines) / person_years < 22
    counts = {c: dict(zip(*pc.value_counts(lines[c]).flatten(), strict=True)) for c in ("LINE_PRCSG_IND_CD",)}
    indicators = {str(k): v.as_py() for k, v in counts["LINE_PRCSG_IND_CD"].items()}
    assert 0 < indicators["D"] < 0.03 * len(lines)
    assert {"A", "R", "S", "D"} == set(indicators)
    payments = set(base["CARR_CLM_PMT_DNL_CD"].to_pylist())
    assert payments == {"0", "1"}
    assert set(base["NCH_CLM_TYPE_CD"].to_pylist()) == {"71", "72"}


def test_enrolment_codes_occur_blank_ones_too(large):
    table = large.claims("mbsf")
    hmo = pc.value_counts(table["HMO_IND_06"]).to_pylist()
    assert {row["values"] for row in hmo} == {None, "0", "1", "2", "4", "B", "C"}
    assert {"0", "1", "3", "C"} == set(table["MDCR_ENTLMT_BUYIN_IND_06"].to_pylist())
    deaths = table.filter(pc.is_valid(table["BENE_DEATH_DT"]))
    assert pc.year(deaths["BENE_DEATH_DT"]).to_pylist() == deaths["BENE_ENROLLMT_REF_YR"].to_pylist()


def test_nobody_has_a_claim_after_death(large):
    table = large.claims("mbsf")
    died = table.filter(pc.is_valid(table["BENE_DEATH_DT"]))
    death = dict(zip(died["BENE_ID"].to_pylist(), died["BENE_DEATH_DT"].to_pylist(), strict=True))
    assert death
    for name in ("carrier_base", "outpatient_base", "inpatient_base"):
        claims = large.claims(name)
        late = [
            person
            for person, day in zip(claims["BENE_ID"].to_pylist(), claims["CLM_FROM_DT"].to_pylist(), strict=True)
            if person in death and day > death[person]
        ]
        assert not late


def test_summary_and_readme_name_nobody(small):
    people = set(small.claims("carrier_base")["BENE_ID"].to_pylist())
    shown = repr(small.summary) + (small.folder / "README.txt").read_text()
    assert not [person for person in people if person in shown]
    assert "SYN0" not in shown
    assert "--facilities 10 --procedures 300 --seed 7" in shown


def test_progress_is_told(tmp_path):
    said = []
    synthesize(tmp_path, measures=["ASC-18"], facilities=2, procedures=20, progress=lambda *step: said.append(step))
    assert [(done, total) for done, total, _ in said] == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"people": 10}, "people is 10"),
        ({"people": 5_000, "workers": 0}, "workers is 0"),
        ({"layout": "x"}, "no layout 'x'"),
        ({"file_format": "sas"}, "no file format 'sas'"),
        ({"measures": ["ASC-99"]}, "no synthetic data for measure 'ASC-99'"),
        ({"measures": []}, "no list of measures"),
        ({"measures": "ASC-12"}, "no list of measures"),
        ({"facilities": 1}, "facilities is 1"),
        ({"procedures": 3}, "procedures is 3"),
        ({"seed": -1}, "seed is -1"),
    ],
)  # fmt: skip
def test_options_outside_their_values_are_refused(tmp_path, settings, says):
    with pytest.raises(OptionError, match=says):
        synthesize(tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("seed", [0, 3])
def test_very_few_procedures_still_make_a_delivery(tmp_path, seed):
    summary = synthesize(tmp_path, facilities=2, procedures=10, seed=seed, edge_cases=False)
    assert sum(summary.index_procedures.values()) + sum(summary.excluded_procedures.values()) == 10
