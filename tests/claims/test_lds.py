"""Limited data sets: what they lack is handled by a rule that is said, and by nothing else."""

from __future__ import annotations

from datetime import date

import deliveries
import pytest

from riskstd.claims import read_claims
from riskstd.cohort import build_cohort
from riskstd.errors import ClaimsError
from riskstd.outcome import find_hospital_visits
from riskstd.spec import load_measure
from riskstd.tables import to_frame


def read(tmp_path, rows):
    return read_claims(deliveries.write(tmp_path / "in", rows))


def test_a_limited_data_set_leads_to_the_same_case(tmp_path):
    claims = read(tmp_path, deliveries.lds_rows())
    measure = load_measure("ASC-12")
    cohort = build_cohort(claims, measure)
    visits = find_hospital_visits(claims, cohort, measure)
    assert claims.layout == "lds"
    assert cohort.procedures["facility_id"].tolist() == [deliveries.NPI]
    found = list(zip(visits.visits["visit_type"], visits.visits["days_after"], strict=True))
    assert found == [("ed", 2), ("inpatient", 5)]


def test_a_claim_number_that_returns_is_another_claim_in_another_year_or_type(tmp_path):
    rows = deliveries.ccw_rows()
    rows["carrier_base"].append(deliveries.carrier_claim("P1", "C1", "20220502"))
    rows["carrier_line"].append(deliveries.carrier_line("P1", "C1", "20220502"))
    claims = read(tmp_path, deliveries.lds_rows(rows))
    assert sorted(to_frame(claims.professional_lines)["claim_id"]) == ["1-2022-71", "1-2023-71"]
    assert claims.counts["set_aside"]["professional_lines"] == {}
    assert set(to_frame(claims.diagnoses)["claim_id"]) >= {"1-2023-40", "1-2023-60"}


def test_the_birth_date_by_age_is_said_with_the_people_it_leaves_open(tmp_path):
    rows = deliveries.ccw_rows()
    rows["mbsf_2023"].append(deliveries.beneficiary("P2", 2023, BENE_BIRTH_DT="19580301"))
    claims = read(tmp_path, deliveries.lds_rows(rows))
    born = to_frame(claims.people)["birth_date"].dt.date.tolist()
    assert born == [date(1950, 7, 1), date(1958, 7, 1)]
    said = [text for text in claims.statements if "1 July" in text]
    assert said[0].startswith("2 people have an age")
    assert said[1].startswith("1 of them turn 65")


def test_a_birth_date_on_a_claim_is_taken_and_an_age_band_is_not(tmp_path):
    rows = deliveries.lds_rows()
    rows["carrier_base"][0]["DOB_DT"] = "19500102"
    rows["outpatient_base"][0]["DOB_DT"] = "3"
    claims = read(tmp_path, rows)
    assert to_frame(claims.people)["birth_date"].dt.date.tolist() == [date(1950, 1, 2)]
    assert not any("1 July" in text for text in claims.statements)


def test_a_line_over_several_days_counts_on_its_last(tmp_path):
    rows = deliveries.lds_rows()
    rows["carrier_line"][0] |= {"LINE_LAST_EXPNS_DT": "20230503"}
    claims = read(tmp_path, rows)
    assert to_frame(claims.professional_lines)["line_date"].dt.date.tolist() == [date(2023, 5, 3)]
    assert any("last expense date" in text for text in claims.statements)


def test_a_person_without_age_has_no_birth_date(tmp_path):
    rows = deliveries.lds_rows()
    for name in ("mbsf_2022", "mbsf_2023"):
        rows[name][0]["AGE"] = ""
    claims = read(tmp_path, rows)
    assert claims.counts["notes"]["people_without_birth_date"] == 1
    cohort = build_cohort(claims, load_measure("ASC-12"))
    assert cohort.excluded["excluded_by"].tolist() == ["person_unknown"]


def test_older_and_newer_names_of_columns(tmp_path):
    rows = deliveries.lds_rows()
    renamed = {"AGE": "AGE_AT_END_REF_YR", "SEX_CODE": "SEX_IDENT_CD", "DATE_OF_DEATH": "BENE_DEATH_DT"}
    for name in ("mbsf_2022", "mbsf_2023"):
        rows[name] = [{renamed.get(key, key): value for key, value in row.items()} for row in rows[name]]
    assert to_frame(read(tmp_path, rows).people)["sex"].tolist() == ["male"]


def test_a_missing_age_column_is_named(tmp_path):
    rows = deliveries.lds_rows()
    rows["mbsf_2023"] = [{k: v for k, v in rows["mbsf_2023"][0].items() if k != "AGE"}]
    with pytest.raises(ClaimsError, match="lacks column AGE or AGE_AT_END_REF_YR"):
        read(tmp_path, rows)
