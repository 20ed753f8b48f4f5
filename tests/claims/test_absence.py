"""Columns that a delivery lacks are said, with what it means, and are never taken for blanks."""

from __future__ import annotations

import deliveries
import pytest

from riskstd.claims import read_claims
from riskstd.cohort import build_cohort
from riskstd.errors import ClaimsError
from riskstd.outcome import find_hospital_visits
from riskstd.spec import load_measure


def without(rows, table, *columns):
    rows[table] = [{k: v for k, v in row.items() if k not in columns} for row in rows[table]]
    return rows


@pytest.mark.parametrize(
    ("table", "column", "said"),
    [
        ("carrier_line", "LINE_PRCSG_IND_CD", "denied professional lines cannot be told"),
        ("outpatient_base", "CLM_MDCR_NON_PMT_RSN_CD", "denied outpatient claims cannot be told"),
        ("inpatient_base", "CLM_FREQ_CD", "voided inpatient claims cannot be told"),
        ("inpatient_base", "PRVDR_NUM", "every stay can be a visit"),
        ("mbsf_2023", "BENE_DEATH_DT", "deaths are not known"),
    ],
)
def test_a_missing_column_is_said_with_its_consequence(tmp_path, table, column, said):
    rows = without(deliveries.ccw_rows(), table, column)
    claims = read_claims(deliveries.write(tmp_path / "in", rows))
    statements = [text for text in claims.statements if column in text]
    assert len(statements) == 1
    assert said in statements[0]
    assert f"{table}.csv" in statements[0]


def test_half_a_bill_type_is_no_bill_type(tmp_path):
    rows = without(deliveries.ccw_rows(), "outpatient_base", "CLM_SRVC_CLSFCTN_TYPE_CD")
    claims = read_claims(deliveries.write(tmp_path / "in", rows))
    assert not claims.has("outpatient_lines", "bill_type")
    measure = load_measure("ASC-12")
    visits = find_hospital_visits(claims, build_cohort(claims, measure), measure).visits
    assert "ed" in set(visits["visit_type"])


def test_every_monthly_flag_is_needed(tmp_path):
    rows = without(deliveries.ccw_rows(), "mbsf_2023", "HMO_IND_07")
    with pytest.raises(ClaimsError, match="lacks column HMO_IND_07"):
        read_claims(deliveries.write(tmp_path / "in", rows))


def test_a_complete_delivery_says_nothing(tmp_path):
    assert read_claims(deliveries.write(tmp_path / "in", deliveries.ccw_rows())).statements == ()
