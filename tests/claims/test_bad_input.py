"""Bad deliveries: a message that helps, and nothing lost silently."""

from __future__ import annotations

import deliveries
import pytest

from riskstd.claims import read_claims
from riskstd.cohort import build_cohort
from riskstd.errors import ClaimsError, OptionError
from riskstd.riskfactors import build_risk_factors
from riskstd.spec import load_measure, parse_definition
from riskstd.spec.codetables import DATA


@pytest.fixture
def rows():
    return deliveries.ccw_rows()


def read(tmp_path, rows, **settings):
    return read_claims(deliveries.write(tmp_path / "in", rows), **settings)


def test_missing_folder(tmp_path):
    with pytest.raises(ClaimsError, match="no folder"):
        read_claims(tmp_path / "nowhere")


def test_folder_without_data_files_names_the_folders_inside(tmp_path):
    deliveries.write(tmp_path / "in" / "claims", deliveries.ccw_rows())
    with pytest.raises(ClaimsError, match="did you mean a folder inside it: claims"):
        read_claims(tmp_path / "in")


def test_missing_file_is_named_by_its_kind(tmp_path, rows):
    del rows["outpatient_revenue"]
    with pytest.raises(ClaimsError, match="no outpatient_revenue file"):
        read(tmp_path, rows)


def test_unknown_layout_name(tmp_path, rows):
    with pytest.raises(OptionError, match="expected: auto, ccw, flat, lds, tuva"):
        read(tmp_path, rows, layout="omop")


def test_files_of_no_layout(tmp_path):
    folder = deliveries.write(tmp_path / "in", {"fruit": [{"apple": "1", "pear": "2"}]})
    with pytest.raises(ClaimsError, match="do not make a complete delivery of any layout"):
        read_claims(folder)


def test_recognised_and_refused_layout_says_why(tmp_path):
    folder = deliveries.write(tmp_path / "in", {"claims": [{"DESYNPUF_ID": "1", "CLM_ID": "2"}]})
    with pytest.raises(ClaimsError, match=r"DE-SynPUF, among them claims\.csv: codes are ICD-9"):
        read_claims(folder)


def test_missing_column_names_file_and_column(tmp_path, rows):
    del rows["carrier_line"][0]["LINE_NUM"]
    with pytest.raises(ClaimsError, match=r"carrier_line\.csv, which lacks column\(s\) LINE_NUM"):
        read(tmp_path, rows)


def test_missing_column_in_one_of_several_files_is_not_left_out_silently(tmp_path, rows):
    rows["mbsf_2024"] = [{k: v for k, v in rows["mbsf_2023"][0].items() if k != "BENE_BIRTH_DT"}]
    with pytest.raises(
        ClaimsError, match=r"mbsf_2024\.csv looks like a beneficiary file .* lacks column BENE_BIRTH_DT"
    ):
        read(tmp_path, rows)


def test_unreadable_date_gives_column_count_and_row_position(tmp_path, rows):
    rows["carrier_line"].append(deliveries.carrier_line("P1", "C1", "2023-13-45", "2"))
    with pytest.raises(ClaimsError) as caught:
        read(tmp_path, rows)
    message = str(caught.value)
    assert "column LINE_1ST_EXPNS_DT: 1 cell(s), first at data row(s) 2 of carrier_line.csv" in message
    assert "2023-13-45" not in message


def test_unreadable_date_can_be_set_aside_and_is_counted(tmp_path, rows):
    rows["carrier_line"].append(deliveries.carrier_line("P1", "C1", "2023-13-45", "2"))
    claims = read(tmp_path, rows, bad_rows="set_aside")
    assert claims.counts["unreadable_dates"] == {
        "professional_line.first_date": 1,
        "professional_line.last_date": 1,
    }
    assert claims.counts["kept"]["professional_lines"] == 2


def test_unknown_handling_of_bad_rows(tmp_path, rows):
    with pytest.raises(OptionError, match="error or set_aside"):
        read(tmp_path, rows, bad_rows="ignore")


def test_duplicate_lines_are_counted_and_kept_once(tmp_path, rows):
    rows["carrier_line"].append(dict(rows["carrier_line"][0]))
    claims = read(tmp_path, rows)
    assert claims.counts["set_aside"]["professional_lines"] == {"duplicate_line": 1}
    assert claims.counts["kept"]["professional_lines"] == 1


def test_empty_file(tmp_path, rows):
    folder = deliveries.write(tmp_path / "in", rows)
    (folder / "carrier_line.csv").write_bytes(b"")
    with pytest.raises(ClaimsError, match=r"carrier_line\.csv is empty"):
        read_claims(folder)


def test_blank_file(tmp_path, rows):
    folder = deliveries.write(tmp_path / "in", rows)
    (folder / "carrier_line.csv").write_bytes(b"\n\n")
    with pytest.raises(ClaimsError, match="only blank lines"):
        read_claims(folder)


def test_header_only_is_a_file_of_no_rows(tmp_path, rows):
    folder = deliveries.write(tmp_path / "in", rows)
    header = (folder / "inpatient_revenue.csv").read_text().splitlines()[0]
    (folder / "inpatient_revenue.csv").write_text(header)
    claims = read_claims(folder)
    read_rows = {entry["file"]: entry["rows"] for entry in claims.counts["files"]}
    assert read_rows["inpatient_revenue.csv"] == 0
    assert claims.counts["kept"]["inpatient_claims"] == 1


def test_all_files_header_only_lead_to_an_empty_cohort(tmp_path, rows):
    folder = deliveries.write(tmp_path / "in", rows)
    for path in folder.iterdir():
        path.write_text(path.read_text().splitlines()[0] + "\n")
    cohort = build_cohort(read_claims(folder), load_measure("ASC-12"))
    assert len(cohort.procedures) == 0
    assert cohort.attrition["procedures_before"].tolist()[0] == 0


def test_wrong_delimiter_is_said(tmp_path, rows):
    folder = deliveries.write(tmp_path / "in", rows)
    path = folder / "carrier_line.csv"
    path.write_text(path.read_text().replace(",", "~"))
    with pytest.raises(ClaimsError, match=r"carrier_line\.csv has a single column"):
        read_claims(folder)


def test_rows_delimited_unlike_the_header(tmp_path, rows):
    folder = deliveries.write(tmp_path / "in", rows)
    path = folder / "carrier_line.csv"
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *(line.replace(",", "|") for line in lines)]) + "\n")
    with pytest.raises(ClaimsError, match="rows that do not fit its header") as caught:
        read_claims(folder)
    assert "P1" not in str(caught.value)


@pytest.mark.parametrize("change", ["bom", "crlf", "no_final_newline", "all"])
def test_bom_crlf_and_missing_final_newline_change_nothing(tmp_path, rows, change):
    plain = read_claims(deliveries.write(tmp_path / "plain", rows), out=tmp_path / "a")
    folder = deliveries.write(tmp_path / "in", rows)
    for path in folder.iterdir():
        content = path.read_bytes()
        if change in ("no_final_newline", "all"):
            content = content.rstrip(b"\n")
        if change in ("crlf", "all"):
            content = content.replace(b"\n", b"\r\n")
        if change in ("bom", "all"):
            content = b"\xef\xbb\xbf" + content
        path.write_bytes(content)
    claims = read_claims(folder, out=tmp_path / "b")
    assert claims.counts["kept"] == plain.counts["kept"]
    for name in ("people", "professional_lines", "outpatient_lines", "diagnoses", "inpatient_claims"):
        one, two = (tmp_path / side / f"{name}.parquet" for side in "ab")
        assert one.read_bytes() == two.read_bytes()


def test_not_utf8(tmp_path, rows):
    folder = deliveries.write(tmp_path / "in", rows)
    (folder / "carrier_line.csv").write_bytes("BENE_ID,CLM_ID,NÄME\n".encode("latin-1"))
    with pytest.raises(ClaimsError, match="not text in UTF-8"):
        read_claims(folder)


def test_repeated_column(tmp_path, rows):
    folder = deliveries.write(tmp_path / "in", rows)
    (folder / "carrier_line.csv").write_text("BENE_ID,CLM_ID,CLM_ID\n1,2,3\n")
    with pytest.raises(ClaimsError, match=r"names 1 column\(s\) twice: CLM_ID"):
        read_claims(folder)


def test_broken_parquet(tmp_path, rows):
    folder = deliveries.write(tmp_path / "in", rows)
    (folder / "carrier_line.csv").unlink()
    (folder / "carrier_line.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ClaimsError, match="not a valid Parquet file"):
        read_claims(folder)


def test_icd9_codes_are_kept_apart_and_make_no_condition(tmp_path, rows):
    rows["carrier_base"].append(
        deliveries.carrier_claim(
            "P1", "C0", "20230301", PRNCPAL_DGNS_CD="4280", PRNCPAL_DGNS_VRSN_CD="9", ICD_DGNS_CD1=""
        )
    )
    rows["carrier_line"].append(
        deliveries.carrier_line(
            "P1",
            "C0",
            "20230301",
            HCPCS_CD="99213",
            LINE_CMS_TYPE_SRVC_CD="1",
            LINE_PLACE_OF_SRVC_CD="11",
            PRVDR_SPCLTY="01",
        )
    )
    claims = read(tmp_path, rows)
    assert claims.counts["notes"]["icd9_diagnoses"] == 1
    measure = load_measure("ASC-12")
    risk = build_risk_factors(claims, build_cohort(claims, measure), measure)
    assert risk.table["heart_failure"].tolist() == [0]


def test_blank_icd_version_goes_by_the_day(tmp_path, rows):
    rows["carrier_base"][0] |= {"PRNCPAL_DGNS_VRSN_CD": "", "ICD_DGNS_VRSN_CD1": ""}
    rows["carrier_base"].append(
        deliveries.carrier_claim("P1", "C0", "20150930", PRNCPAL_DGNS_VRSN_CD="", ICD_DGNS_CD1="")
    )
    rows["carrier_line"].append(deliveries.carrier_line("P1", "C0", "20150930", LINE_ICD_DGNS_CD=""))
    assert read(tmp_path, rows).counts["notes"]["icd9_diagnoses"] == 1


def test_person_without_enrolment_is_counted_and_excluded(tmp_path, rows):
    rows["carrier_base"].append(deliveries.carrier_claim("P9", "C9", "20230502"))
    rows["carrier_line"].append(deliveries.carrier_line("P9", "C9", "20230502"))
    claims = read(tmp_path, rows)
    assert claims.counts["notes"]["people_in_claims_without_a_record"] == 1
    cohort = build_cohort(claims, load_measure("ASC-12"))
    assert cohort.excluded["excluded_by"].tolist() == ["person_unknown"]


def test_claims_outside_the_period_are_counted(tmp_path, rows):
    cohort = build_cohort(read(tmp_path, rows), load_measure("ASC-12"), period=("2022-01-01", "2022-12-31"))
    row = cohort.attrition.set_index("rule").loc["outside_period"]
    assert (row["excluded"], row["procedures_after"]) == (1, 0)


@pytest.mark.parametrize("period", [("2023-12-31", "2023-01-01"), ("soon", "later")])
def test_period_that_cannot_be(tmp_path, rows, period):
    claims = read(tmp_path, rows)
    with pytest.raises(OptionError, match="period"):
        build_cohort(claims, load_measure("ASC-12"), period=period)


@pytest.mark.parametrize(("old", "new"), [("last_day = 7", "last_day = -1"), ("first_day = 0", "first_day = 9")])
def test_negative_window_is_an_error_that_names_file_and_key(old, new):
    text = (DATA / "ascqr" / "2025" / "asc-12.toml").read_text("utf-8")
    head, outcome = text.split("[outcome]", 1)
    changed = head + "[outcome]" + outcome.replace(old, new, 1)
    assert changed != text
    with pytest.raises(Exception, match=r"mine\.toml.*\n?.*outcome"):
        parse_definition(changed.encode(), "mine.toml")


def test_denied_and_voided_claims_are_set_aside_and_counted(tmp_path, rows):
    rows["carrier_base"] += [
        deliveries.carrier_claim("P1", "C2", "20230601", CARR_CLM_PMT_DNL_CD="0"),
        deliveries.carrier_claim("P1", "C3", "20230601", NCH_CLM_TYPE_CD="72"),
    ]
    rows["carrier_line"] += [
        deliveries.carrier_line("P1", "C2", "20230601"),
        deliveries.carrier_line("P1", "C3", "20230601"),
        deliveries.carrier_line("P1", "C1", "20230502", "2", LINE_PRCSG_IND_CD="D"),
        deliveries.carrier_line("P1", "C7", "20230502"),
    ]
    rows["outpatient_base"].append(deliveries.outpatient_claim("P1", "O2", "20230504", CLM_MDCR_NON_PMT_RSN_CD="N"))
    rows["outpatient_revenue"].append(deliveries.outpatient_line("P1", "O2", "20230504"))
    rows["inpatient_base"].append(deliveries.inpatient_claim("P1", "I2", "20230507", "20230509", CLM_FREQ_CD="8"))
    rows["inpatient_base"].append(deliveries.inpatient_claim("P1", "I3", "20230507", "20230509", NCH_CLM_TYPE_CD="61"))
    claims = read(tmp_path, rows)
    assert claims.counts["set_aside"] == {
        "professional_lines": {
            "denied_claim": 1,
            "denied_line": 1,
            "equipment_claim": 1,
            "line_without_claim": 1,
        },
        "outpatient_lines": {"denied_claim": 1},
        "inpatient_claims": {"managed_care_encounter": 1, "voided_claim": 1},
    }
    cohort = build_cohort(claims, load_measure("ASC-12"))
    steps = cohort.attrition.set_index("rule")
    assert steps.loc["claim_lines_read", "procedures_after"] == 5
    assert steps.loc["denied_line", "excluded"] == 1
    assert len(cohort.procedures) == 1


def test_output_folder_in_use_is_refused_and_left_alone(tmp_path, rows):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    with pytest.raises(ClaimsError, match="is not empty"):
        read(tmp_path, rows, out=out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_nothing_half_written_when_reading_fails(tmp_path, rows):
    rows["carrier_line"].append(deliveries.carrier_line("P1", "C1", "bad", "2"))
    with pytest.raises(ClaimsError):
        read(tmp_path, rows, out=tmp_path / "out" / "tables")
    assert list((tmp_path / "out").iterdir()) == []


def test_memory_limit_that_cannot_be_read(tmp_path, rows):
    with pytest.raises(OptionError, match="for example 4GB"):
        read(tmp_path, rows, memory="much")
