"""Small deliveries of claim files in the three layouts, as text that tests can change."""

from __future__ import annotations

from pathlib import Path

NPI = "1999999991"


def table(rows: list[dict[str, str]], delimiter: str = ",") -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [delimiter.join(names)]
    lines += [delimiter.join(row.get(name, "") for name in names) for row in rows]
    return "\n".join(lines) + "\n"


def beneficiary(person: str, year: int, **changes: str) -> dict[str, str]:
    row = {"BENE_ID": person, "BENE_ENROLLMT_REF_YR": str(year), "BENE_BIRTH_DT": "19500102"}
    row |= {"BENE_DEATH_DT": "", "SEX_IDENT_CD": "1"}
    row |= {f"MDCR_ENTLMT_BUYIN_IND_{m:02}": "3" for m in range(1, 13)}
    row |= {f"HMO_IND_{m:02}": "0" for m in range(1, 13)}
    return row | changes


def carrier_claim(person: str, claim: str, day: str, **changes: str) -> dict[str, str]:
    row = {
        "BENE_ID": person,
        "CLM_ID": claim,
        "NCH_CLM_TYPE_CD": "71",
        "CLM_FROM_DT": day,
        "CLM_THRU_DT": day,
    }
    row |= {"CARR_CLM_PMT_DNL_CD": "1", "PRNCPAL_DGNS_CD": "Z1211", "PRNCPAL_DGNS_VRSN_CD": "0"}
    row |= {"ICD_DGNS_CD1": "Z1211", "ICD_DGNS_VRSN_CD1": "0", "CARR_CLM_BLG_NPI_NUM": NPI}
    return row | changes


def carrier_line(person: str, claim: str, day: str, number: str = "1", **changes: str) -> dict[str, str]:
    row = {
        "BENE_ID": person,
        "CLM_ID": claim,
        "NCH_CLM_TYPE_CD": "71",
        "LINE_NUM": number,
        "HCPCS_CD": "45378",
    }
    row |= {"HCPCS_1ST_MDFR_CD": "", "LINE_CMS_TYPE_SRVC_CD": "F", "LINE_PLACE_OF_SRVC_CD": "24"}
    row |= {"PRVDR_SPCLTY": "49", "LINE_1ST_EXPNS_DT": day, "LINE_LAST_EXPNS_DT": day}
    row |= {"LINE_PRCSG_IND_CD": "A", "PRF_PHYSN_NPI": "", "ORG_NPI_NUM": "", "LINE_ICD_DGNS_CD": "Z1211"}
    return row | {"LINE_ICD_DGNS_VRSN_CD": "0"} | changes


def outpatient_claim(person: str, claim: str, day: str, **changes: str) -> dict[str, str]:
    row = {
        "BENE_ID": person,
        "CLM_ID": claim,
        "NCH_CLM_TYPE_CD": "40",
        "CLM_FROM_DT": day,
        "CLM_THRU_DT": day,
    }
    row |= {
        "PRVDR_NUM": "050001",
        "CLM_FAC_TYPE_CD": "1",
        "CLM_SRVC_CLSFCTN_TYPE_CD": "3",
        "CLM_FREQ_CD": "1",
    }
    row |= {"CLM_MDCR_NON_PMT_RSN_CD": "", "ORG_NPI_NUM": "1888888881", "PRNCPAL_DGNS_CD": "R109"}
    return row | {"PRNCPAL_DGNS_VRSN_CD": "0", "ICD_DGNS_CD1": "R109", "ICD_DGNS_VRSN_CD1": "0"} | changes


def outpatient_line(person: str, claim: str, day: str, number: str = "1", **changes: str) -> dict[str, str]:
    row = {"BENE_ID": person, "CLM_ID": claim, "NCH_CLM_TYPE_CD": "40", "CLM_LINE_NUM": number}
    return row | {"REV_CNTR": "0450", "REV_CNTR_DT": day, "HCPCS_CD": "99283"} | changes


def inpatient_claim(person: str, claim: str, first: str, last: str, **changes: str) -> dict[str, str]:
    row = {
        "BENE_ID": person,
        "CLM_ID": claim,
        "NCH_CLM_TYPE_CD": "60",
        "CLM_FROM_DT": first,
        "CLM_THRU_DT": last,
    }
    row |= {
        "PRVDR_NUM": "050001",
        "CLM_FAC_TYPE_CD": "1",
        "CLM_SRVC_CLSFCTN_TYPE_CD": "1",
        "CLM_FREQ_CD": "1",
    }
    row |= {"CLM_MDCR_NON_PMT_RSN_CD": "", "ORG_NPI_NUM": "1888888881", "CLM_ADMSN_DT": first}
    row |= {"NCH_BENE_DSCHRG_DT": last, "PTNT_DSCHRG_STUS_CD": "01", "CLM_SRC_IP_ADMSN_CD": "1"}
    row |= {"PRNCPAL_DGNS_CD": "K922", "PRNCPAL_DGNS_VRSN_CD": "0", "ICD_DGNS_CD1": "K922"}
    return row | {"ICD_DGNS_VRSN_CD1": "0", "ICD_PRCDR_CD1": "", "PRCDR_DT1": ""} | changes


def inpatient_line(person: str, claim: str, number: str = "1", **changes: str) -> dict[str, str]:
    row = {"BENE_ID": person, "CLM_ID": claim, "NCH_CLM_TYPE_CD": "60", "CLM_LINE_NUM": number}
    return row | {"REV_CNTR": "0120"} | changes


def ccw_rows() -> dict[str, list[dict[str, str]]]:
    """One person with a colonoscopy, an ED visit on day 2 and an admission on day 5."""
    return {
        "mbsf_2022": [beneficiary("P1", 2022)],
        "mbsf_2023": [beneficiary("P1", 2023)],
        "carrier_base": [carrier_claim("P1", "C1", "20230502")],
        "carrier_line": [carrier_line("P1", "C1", "20230502")],
        "outpatient_base": [outpatient_claim("P1", "O1", "20230504")],
        "outpatient_revenue": [outpatient_line("P1", "O1", "20230504")],
        "inpatient_base": [inpatient_claim("P1", "I1", "20230507", "20230509")],
        "inpatient_revenue": [inpatient_line("P1", "I1")],
    }


def write(folder: Path, rows: dict[str, list[dict[str, str]]], delimiter: str = ",") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, some in rows.items():
        (folder / f"{name}.csv").write_text(table(some, delimiter), "utf-8")
    return folder


def flat_rows() -> dict[str, list[dict[str, str]]]:
    """The same in the flat layout: header fields on every line, other date style, blank flags."""
    rows = ccw_rows()
    people = [_flat_person(row) for row in [*rows["mbsf_2022"], *rows["mbsf_2023"]]]
    carrier = [_flat_dates({**rows["carrier_base"][0], **rows["carrier_line"][0], "FINAL_ACTION": "F"})]
    outpatient = [_flat_dates({**rows["outpatient_base"][0], **rows["outpatient_revenue"][0]})]
    inpatient = [_flat_dates({**rows["inpatient_base"][0], **rows["inpatient_revenue"][0]})]
    return {"beneficiary": people, "carrier": carrier, "outpatient": outpatient, "inpatient": inpatient}


def _flat_person(row: dict[str, str]) -> dict[str, str]:
    flat = {"BENE_ID": row["BENE_ID"], "RFRNC_YR": row["BENE_ENROLLMT_REF_YR"]}
    flat |= {"BENE_BIRTH_DT": "02-Jan-1950", "DEATH_DT": " ", "BENE_SEX_IDENT_CD": "1"}
    flat |= {f"MDCR_ENTLMT_BUYIN_{m}_IND": "3" for m in range(1, 13)}
    return flat | {f"HMO_{m}_IND": " " for m in range(1, 13)}


def _flat_dates(row: dict[str, str]) -> dict[str, str]:
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    out = {}
    for name, value in row.items():
        is_day = len(value) == 8 and value.isdigit() and ("_DT" in name)
        out[name] = f"{value[6:]}-{months[int(value[4:6]) - 1]}-{value[:4]}" if is_day else value or " "
    return out


def tuva_rows() -> dict[str, list[dict[str, str]]]:
    """The same as medical claims and eligibility; no type of service, no specialty, revenue code without zero."""
    common = {"patient_id": "P1", "claim_line_number": "1"}
    line = {"claim_type": "", "claim_start_date": "", "claim_end_date": "", "claim_line_start_date": ""}
    line |= {
        "admission_date": "",
        "discharge_date": "",
        "discharge_disposition_code": "",
        "admit_source_code": "",
    }
    line |= {"place_of_service_code": "", "bill_type_code": "", "revenue_center_code": "", "hcpcs_code": ""}
    line |= {"rendering_npi": "", "billing_npi": "", "facility_npi": "", "diagnosis_code_type": "icd-10-cm"}
    line |= {"diagnosis_code_1": "", "procedure_code_1": "", "procedure_date_1": ""}
    days = {"claim_start_date": "2023-05-02", "claim_end_date": "2023-05-02"}
    scope = line | common | days | {"claim_id": "C1", "claim_type": "professional", "hcpcs_code": "45378"}
    scope |= {"place_of_service_code": "24", "rendering_npi": NPI, "diagnosis_code_1": "Z12.11"}
    ed = line | common | {"claim_id": "O1", "claim_type": "institutional", "bill_type_code": "131"}
    ed |= {"claim_start_date": "2023-05-04", "claim_end_date": "2023-05-04", "revenue_center_code": "450"}
    ed |= {"diagnosis_code_1": "R10.9", "facility_npi": "1888888881"}
    stay = line | common | {"claim_id": "I1", "claim_type": "institutional", "bill_type_code": "111"}
    stay |= {"claim_start_date": "2023-05-07", "claim_end_date": "2023-05-09", "revenue_center_code": "120"}
    span = {"patient_id": "P1", "gender": "male", "birth_date": "1950-01-02", "death_date": ""}
    span |= {
        "enrollment_start_date": "2022-01-01",
        "enrollment_end_date": "2023-12-31",
        "payer_type": "medicare",
    }
    return {"medical_claim": [scope, ed, stay], "eligibility": [span]}


_LDS_NAMES = {
    "BENE_ID": "DESY_SORT_KEY",
    "CLM_ID": "CLAIM_NO",
    "BENE_ENROLLMT_REF_YR": "REFERENCE_YEAR",
    "BENE_DEATH_DT": "DATE_OF_DEATH",
    "SEX_IDENT_CD": "SEX_CODE",
    **{f"MDCR_ENTLMT_BUYIN_IND_{m:02}": f"ENTITLEMENT_BUY_IN_IND{m}" for m in range(1, 13)},
    **{f"HMO_IND_{m:02}": f"HMO_INDICATOR{m}" for m in range(1, 13)},
}


def lds_rows(rows: dict[str, list[dict[str, str]]] | None = None) -> dict[str, list[dict[str, str]]]:
    """The same as a limited data set: ages and no birth dates, last days only, the same claim number everywhere."""
    given = ccw_rows() if rows is None else rows
    return {name: [_lds_row(name, row) for row in some] for name, some in given.items()}


def _lds_row(name: str, row: dict[str, str]) -> dict[str, str]:
    changed = {**row}
    if "BENE_BIRTH_DT" in row:
        changed["AGE"] = str(int(row["BENE_ENROLLMT_REF_YR"]) - int(changed.pop("BENE_BIRTH_DT")[:4]))
    if name.endswith(("_line", "_revenue")):
        changed["CLM_THRU_DT"] = row.get("LINE_LAST_EXPNS_DT") or row.get("REV_CNTR_DT") or "20230509"
    if "CLM_ID" in row:
        changed["CLM_ID"] = "1"
    for absent in ("CLM_FROM_DT", "LINE_1ST_EXPNS_DT"):
        changed.pop(absent, None)
    return {_LDS_NAMES.get(key, key): value for key, value in changed.items()}
