"""Deliveries as they come: what must be survived, and what must be said instead of guessed."""

from __future__ import annotations

import gzip

import deliveries
import pytest

from riskstd.claims import read_claims
from riskstd.cohort import build_cohort
from riskstd.errors import ClaimsError
from riskstd.outcome import find_hospital_visits
from riskstd.spec import load_measure
from riskstd.tables import to_frame


def visits_of(claims):
    measure = load_measure("ASC-12")
    return find_hospital_visits(claims, build_cohort(claims, measure), measure).visits


def reasons(claims):
    return build_cohort(claims, load_measure("ASC-12")).excluded["excluded_by"].tolist()


def test_four_character_bill_types_keep_their_admissions(tmp_path):
    rows = deliveries.tuva_rows()
    for row in rows["medical_claim"]:
        if row["bill_type_code"]:
            row["bill_type_code"] = "0" + row["bill_type_code"]
    visits = visits_of(read_claims(deliveries.write(tmp_path / "in", rows)))
    assert visits["visit_type"].tolist() == ["ed", "inpatient"]


def test_revenue_code_written_as_a_number_with_decimals(tmp_path):
    rows = deliveries.tuva_rows()
    rows["medical_claim"][1]["revenue_center_code"] = "450.0"
    assert "ed" in visits_of(read_claims(deliveries.write(tmp_path / "in", rows)))["visit_type"].tolist()


def test_open_enrolment_span_runs_to_the_latest_end_and_is_counted(tmp_path):
    rows = deliveries.tuva_rows()
    rows["eligibility"].append(rows["eligibility"][0] | {"patient_id": "P2"})
    rows["eligibility"][0]["enrollment_end_date"] = ""
    claims = read_claims(deliveries.write(tmp_path / "in", rows))
    assert claims.counts["notes"]["enrolment_spans_without_end"] == 1
    assert reasons(claims) == []


def test_managed_care_payer_is_not_fee_for_service(tmp_path):
    rows = deliveries.tuva_rows()
    rows["eligibility"][0]["payer_type"] = "Medicare Advantage"
    claims = read_claims(deliveries.write(tmp_path / "in", rows))
    assert claims.counts["notes"]["enrolment_spans_of_other_payers"] == 1
    assert reasons(claims) == ["not_enrolled_before"]


def test_code_system_with_a_year_is_still_icd10(tmp_path):
    rows = deliveries.tuva_rows()
    for row in rows["medical_claim"]:
        row["diagnosis_code_type"] = "ICD-10-CM 2019"
    assert read_claims(deliveries.write(tmp_path / "in", rows)).counts["notes"]["icd9_diagnoses"] == 0


@pytest.mark.parametrize("text", ["05/02/23", "02-May-23", "0", "1950", "20235002"])
def test_dates_that_only_look_like_dates_are_refused(tmp_path, text):
    rows = deliveries.ccw_rows()
    rows["mbsf_2023"][0]["BENE_BIRTH_DT"] = text
    with pytest.raises(ClaimsError, match="BENE_BIRTH_DT: 1 cell"):
        read_claims(deliveries.write(tmp_path / "in", rows))


def test_year_of_two_digits_is_refused(tmp_path):
    rows = deliveries.ccw_rows()
    rows["mbsf_2023"][0]["BENE_ENROLLMT_REF_YR"] = "23"
    with pytest.raises(ClaimsError, match="no year of four digits"):
        read_claims(deliveries.write(tmp_path / "in", rows))


def test_a_file_whose_first_row_is_of_another_claim_type_is_read(tmp_path):
    rows = deliveries.ccw_rows()
    rows["carrier_base"].insert(0, deliveries.carrier_claim("P1", "C9", "20230101", NCH_CLM_TYPE_CD="82"))
    rows["carrier_line"].insert(0, deliveries.carrier_line("P1", "C9", "20230101", NCH_CLM_TYPE_CD="82"))
    claims = read_claims(deliveries.write(tmp_path / "in", rows))
    assert claims.counts["ignored_files"] == []
    assert claims.counts["set_aside"]["professional_lines"] == {"other_claim_type": 1}
    assert claims.counts["kept"]["professional_lines"] == 1


def test_base_rows_that_differ_are_counted(tmp_path):
    rows = deliveries.ccw_rows()
    rows["carrier_base"].append(rows["carrier_base"][0] | {"PRNCPAL_DGNS_CD": "K635"})
    claims = read_claims(deliveries.write(tmp_path / "in", rows))
    assert claims.counts["notes"]["claims_with_two_different_base_rows"] == 1


@pytest.mark.parametrize("setting", ["carrier", "outpatient"])
def test_of_base_rows_that_differ_in_a_slot_the_first_by_its_cells_is_kept(tmp_path, setting):
    kept = set()
    for order in (1, -1):
        rows = deliveries.ccw_rows()
        first = rows[f"{setting}_base"][0]
        copies = [first | {"ICD_DGNS_CD3": code, "ICD_DGNS_VRSN_CD3": "0"} for code in ("", "K635", "D126")][::order]
        rows[f"{setting}_base"] = [*copies, *rows[f"{setting}_base"][1:]]
        claims = read_claims(deliveries.write(tmp_path / f"in{order}", rows))
        assert claims.counts["notes"]["claims_with_two_different_base_rows"] == 1
        codes = to_frame(claims.diagnoses.filter(claims.diagnoses.position == 3))
        kept.update(codes.loc[codes["claim_id"] == first["CLM_ID"], "code"])
    assert kept == {"D126"}


def test_base_rows_with_another_version_of_an_empty_slot_are_the_same(tmp_path):
    rows = deliveries.ccw_rows()
    first = rows["carrier_base"][0] | {"ICD_DGNS_CD2": "", "ICD_DGNS_VRSN_CD2": ""}
    rows["carrier_base"] = [first, first | {"ICD_DGNS_VRSN_CD2": "0"}, *rows["carrier_base"][1:]]
    claims = read_claims(deliveries.write(tmp_path / "in", rows))
    assert claims.counts["notes"]["claims_with_two_different_base_rows"] == 0


def test_claim_without_lines_keeps_its_diagnoses_and_is_counted(tmp_path):
    rows = deliveries.ccw_rows()
    rows["outpatient_base"].append(deliveries.outpatient_claim("P1", "O9", "20230301", PRNCPAL_DGNS_CD="K5090"))
    claims = read_claims(deliveries.write(tmp_path / "in", rows))
    assert claims.counts["notes"]["claims_without_lines"] == 1
    assert reasons(claims) == ["inflammatory_bowel_disease"]


def test_diagnoses_of_a_claim_with_denied_lines_only_do_not_count(tmp_path):
    rows = deliveries.ccw_rows()
    rows["carrier_base"].append(deliveries.carrier_claim("P1", "C9", "20230301", PRNCPAL_DGNS_CD="K5090"))
    rows["carrier_line"].append(deliveries.carrier_line("P1", "C9", "20230301", LINE_PRCSG_IND_CD="D"))
    assert reasons(read_claims(deliveries.write(tmp_path / "in", rows))) == []


def test_lower_case_and_padded_codes(tmp_path):
    rows = deliveries.ccw_rows()
    rows["carrier_line"][0] |= {"LINE_PRCSG_IND_CD": "a", "LINE_CMS_TYPE_SRVC_CD": "f"}
    rows["outpatient_base"][0]["CLM_FAC_TYPE_CD"] = "01"
    visits = visits_of(read_claims(deliveries.write(tmp_path / "in", rows)))
    assert "ed" in visits["visit_type"].tolist()


def test_quoted_cells_in_pipe_files(tmp_path):
    rows = deliveries.flat_rows()
    rows["carrier"][0]["HCPCS_CD"] = '"45378"'
    claims = read_claims(deliveries.write(tmp_path / "in", rows, "|"))
    assert to_frame(claims.professional_lines)["hcpcs"].tolist() == ["45378"]


def test_gzip_is_read_and_broken_gzip_is_said(tmp_path):
    folder = deliveries.write(tmp_path / "in", deliveries.ccw_rows())
    path = folder / "carrier_line.csv"
    packed = folder / "carrier_line.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert read_claims(folder).counts["kept"]["professional_lines"] == 1
    packed.write_bytes(b"BENE_ID,CLM_ID\n")
    with pytest.raises(ClaimsError, match="cannot be unpacked"):
        read_claims(folder)


def test_trailing_delimiter_and_leading_blank_line_are_said(tmp_path):
    folder = deliveries.write(tmp_path / "in", deliveries.ccw_rows())
    path = folder / "carrier_line.csv"
    text = path.read_text()
    path.write_text(text.replace("\n", ",\n"))
    with pytest.raises(ClaimsError, match="without a name, first at position 17"):
        read_claims(folder)
    path.write_text("\n" + text)
    with pytest.raises(ClaimsError, match="begins with a blank line"):
        read_claims(folder)


def test_columns_that_differ_in_case_only(tmp_path):
    folder = deliveries.write(tmp_path / "in", deliveries.ccw_rows())
    path = folder / "carrier_line.csv"
    path.write_text(path.read_text().replace("HCPCS_1ST_MDFR_CD", "hcpcs_cd", 1))
    with pytest.raises(ClaimsError, match=r"names 1 column\(s\) twice: HCPCS_CD"):
        read_claims(folder)


def test_folder_names_with_quotes(tmp_path):
    folder = deliveries.write(tmp_path / "o'brien in", deliveries.ccw_rows())
    assert read_claims(folder, out=tmp_path / "o'brien out").counts["kept"]["people"] == 1


def test_procedure_after_death_is_kept_and_said(tmp_path):
    rows = deliveries.ccw_rows()
    rows["mbsf_2023"][0]["BENE_DEATH_DT"] = "20230101"
    cohort = build_cohort(read_claims(deliveries.write(tmp_path / "in", rows)), load_measure("ASC-12"))
    assert any("after the death of the person: 1" in note for note in cohort.notes)
