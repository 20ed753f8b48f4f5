"""Claim tables in the columns of the CCW research files of version K, from which the other dialects are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from riskstd.synth.files import dates, plain_codes, texts
from riskstd.synth.plan import FIRST_YEAR, LAST_YEAR, NO_DAY, NONE, People, Plan, Vocabulary, year_of

CLAIM_KINDS = ("carrier", "outpatient", "inpatient")
LINE_FILES = {
    "carrier": "carrier_line",
    "outpatient": "outpatient_revenue",
    "inpatient": "inpatient_revenue",
}
_SLOTS = {"carrier": 12, "outpatient": 25, "inpatient": 25}
_CLAIM_TYPES = {"outpatient": "40", "inpatient": "60"}
_LEADING_DIGIT = {"carrier": 7, "outpatient": 4, "inpatient": 6}

Columns = dict[str, pa.Array]
Rows = dict[str, np.ndarray]


@dataclass(frozen=True)
class ClaimHeaders:
    """Claims of one type in the order of person, day and claim.

    Attributes
    ----------
    columns : dict of str to Array
        Columns by CCW name.
    year : ndarray of int, shape (claims,)
        Calendar year of the last day.
    position : ndarray of int, shape (claims planned,)
        Position of each claim number here, `NONE` for claims of other types.
    """

    columns: Columns
    year: np.ndarray
    position: np.ndarray


def claim_headers(plan: Plan, people: People, kind: str, *, block: int = 0) -> ClaimHeaders:
    """Return the claims of a type; claim numbers of different blocks differ."""
    claims = plan.columns(kind, "claims")
    order = np.lexsort([claims[name] for name in ("claim", "first", "person")])
    claims = {name: values[order] for name, values in claims.items()}
    claim_id = _claim_ids(len(order), _LEADING_DIGIT[kind], block)
    persons = pa.array(people.person_id.tolist(), pa.string())
    person_id = pa.DictionaryArray.from_arrays(pa.array(claims["person"], pa.int32()), persons)
    position = np.full(plan.claims_planned, NONE, dtype=np.int32)
    position[claims["claim"]] = np.arange(len(order))
    columns = _base_columns(kind, plan, claims, person_id, claim_id, position)
    return ClaimHeaders(columns, year_of(claims["last"]), position)


def claim_lines(plan: Plan, kind: str, position: np.ndarray) -> tuple[Columns, np.ndarray]:
    """Return the lines of a claim type without the columns of their claim, and where their claim stands."""
    at = position[plan.columns(kind, "lines", "claim")["claim"]]
    # No claim has a million lines, so one integer sorts by claim and line.
    number = at * np.int64(1_000_000) + plan.columns(kind, "lines", "line")["line"]
    order = np.argsort(number, kind="stable")

    def column(name: str) -> np.ndarray:
        return plan.columns(kind, "lines", name)[name][order]

    return _line_columns(kind, plan.vocabulary, column), at[order]


def _claim_ids(n: int, digit: int, block: int) -> pa.Array:
    numbers = pa.array(np.arange(1, n + 1) + digit * 10**14 + block * 10**8)
    return numbers.cast(pa.string())


# ---- enrolment --------------------------------------------------------------------------------


def enrolment_table(vocabulary: Vocabulary, people: People, year: int) -> tuple[Columns, np.ndarray]:
    """Return the people entitled to something in a year, or dead in it, and their days of birth."""
    first = 12 * (year - FIRST_YEAR)
    entitled = (people.buy_in[:, first : first + 12] != vocabulary("0")).any(axis=1)
    keep = np.flatnonzero(people.has_record & entitled)
    died = (people.death != NO_DAY) & (year_of(np.where(people.death == NO_DAY, 0, people.death)) == year)
    columns: Columns = {
        "BENE_ID": pa.array(people.person_id[keep].tolist(), pa.string()),
        "BENE_ENROLLMT_REF_YR": pa.array(np.full(len(keep), year, dtype=np.int32)),
        "BENE_BIRTH_DT": dates(people.birth[keep]),
        "BENE_DEATH_DT": dates(np.where(died, people.death, NO_DAY)[keep]),
        "SEX_IDENT_CD": texts(people.sex[keep], vocabulary),
    }
    for month in range(12):
        columns[f"MDCR_ENTLMT_BUYIN_IND_{month + 1:02d}"] = texts(people.buy_in[keep, first + month], vocabulary)
    for month in range(12):
        columns[f"HMO_IND_{month + 1:02d}"] = texts(people.hmo[keep, first + month], vocabulary)
    return columns, people.birth[keep]


def enrolment_years() -> range:
    """Return the years of a delivery."""
    return range(FIRST_YEAR, LAST_YEAR + 1)


# ---- claims -----------------------------------------------------------------------------------


def _base_columns(
    kind: str, plan: Plan, claims: Rows, person_id: pa.Array, claim_id: pa.Array, position: np.ndarray
) -> Columns:
    def text(name: str) -> pa.Array:
        return texts(claims[name], plan.vocabulary)

    columns: Columns = {"BENE_ID": person_id, "CLM_ID": claim_id}
    if kind == "carrier":
        columns["NCH_CLM_TYPE_CD"] = text("claim_type")
    else:
        number = plan.vocabulary(_CLAIM_TYPES[kind])
        columns["NCH_CLM_TYPE_CD"] = texts(np.full(len(claims["claim"]), number), plan.vocabulary)
    columns["CLM_FROM_DT"] = dates(claims["first"])
    columns["CLM_THRU_DT"] = dates(claims["last"])
    if kind == "carrier":
        columns["CARR_CLM_PMT_DNL_CD"] = text("payment")
        columns["CARR_CLM_BLG_NPI_NUM"] = text("billing")
    else:
        columns |= {
            "PRVDR_NUM": text("ccn"),
            "CLM_FAC_TYPE_CD": text("facility_type"),
            "CLM_SRVC_CLSFCTN_TYPE_CD": text("bill_class"),
            "CLM_FREQ_CD": text("frequency"),
            "CLM_MDCR_NON_PMT_RSN_CD": text("nonpayment"),
            "ORG_NPI_NUM": text("npi"),
        }
    if kind == "inpatient":
        columns |= {
            "CLM_ADMSN_DT": dates(claims["admission"]),
            "NCH_BENE_DSCHRG_DT": dates(claims["discharge"]),
            "PTNT_DSCHRG_STUS_CD": text("status"),
            "CLM_SRC_IP_ADMSN_CD": text("source"),
        }
    columns |= _diagnosis_columns(kind, plan, claims, position)
    if kind == "inpatient":
        columns |= _procedure_columns(plan, len(claims["claim"]), position)
    return columns


def _diagnosis_columns(kind: str, plan: Plan, claims: Rows, position: np.ndarray) -> Columns:
    """Return principal and other diagnoses; professional claims alone carry the version of each code."""
    slots = plan.columns(kind, "diagnoses")
    wide = np.full((len(claims["claim"]), _SLOTS[kind]), NONE, dtype=np.int32)
    wide[position[slots["claim"]], slots["slot"] - 1] = slots["code"]
    columns: Columns = {}
    _add_code(columns, "PRNCPAL_DGNS_CD", claims["principal"], plan.vocabulary, kind)
    for slot in range(_SLOTS[kind]):
        _add_code(columns, f"ICD_DGNS_CD{slot + 1}", wide[:, slot], plan.vocabulary, kind)
    return columns


def _add_code(columns: Columns, name: str, codes: np.ndarray, vocabulary: Vocabulary, kind: str) -> None:
    columns[name] = plain_codes(codes, vocabulary)
    if kind == "carrier":
        columns[name.replace("DGNS_CD", "DGNS_VRSN_CD")] = _version(codes, vocabulary)


def _version(codes: np.ndarray, vocabulary: Vocabulary) -> pa.Array:
    versions = vocabulary.many(["0", "9"])
    nine = vocabulary.is_icd9()[codes].astype(np.int32)
    return texts(np.where(codes < 0, NONE, versions[nine]), vocabulary)


def _procedure_columns(plan: Plan, n: int, position: np.ndarray) -> Columns:
    slots = plan.columns("inpatient", "procedures")
    codes = np.full((n, _SLOTS["inpatient"]), NONE, dtype=np.int32)
    days = np.full((n, _SLOTS["inpatient"]), NO_DAY, dtype=np.int32)
    at = position[slots["claim"]], slots["slot"] - 1
    codes[at], days[at] = slots["code"], slots["day"]
    columns: Columns = {}
    for slot in range(_SLOTS["inpatient"]):
        columns[f"ICD_PRCDR_CD{slot + 1}"] = texts(codes[:, slot], plan.vocabulary)
        columns[f"PRCDR_DT{slot + 1}"] = dates(days[:, slot])
    return columns


def _line_columns(kind: str, vocabulary: Vocabulary, column: Callable[[str], np.ndarray]) -> Columns:
    def text(name: str) -> pa.Array:
        return texts(column(name), vocabulary)

    number = pa.array(column("line"), pa.int32())
    if kind == "carrier":
        return {
            "LINE_NUM": number,
            "PRF_PHYSN_NPI": text("performing"),
            "ORG_NPI_NUM": text("organization"),
            "PRVDR_SPCLTY": text("specialty"),
            "LINE_CMS_TYPE_SRVC_CD": text("type_of_service"),
            "LINE_PLACE_OF_SRVC_CD": text("place"),
            "LINE_1ST_EXPNS_DT": dates(column("first")),
            "LINE_LAST_EXPNS_DT": dates(column("last")),
            "HCPCS_CD": text("hcpcs"),
            "HCPCS_1ST_MDFR_CD": text("mod1"),
            "HCPCS_2ND_MDFR_CD": text("mod2"),
            "LINE_PRCSG_IND_CD": text("indicator"),
            "LINE_ICD_DGNS_CD": plain_codes(column("diagnosis"), vocabulary),
            "LINE_ICD_DGNS_VRSN_CD": _version(column("diagnosis"), vocabulary),
        }
    columns: Columns = {"CLM_LINE_NUM": number, "REV_CNTR": text("revenue")}
    if kind == "outpatient":
        columns["REV_CNTR_DT"] = dates(column("day"))
    columns["HCPCS_CD"] = text("hcpcs")
    if kind == "outpatient":
        columns["HCPCS_1ST_MDFR_CD"] = text("mod1")
    return columns
