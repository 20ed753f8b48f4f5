"""Columns that a delivery does not have: which tables lack them, and what that means for the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from riskstd.claims.staging import columns_present, files_without

if TYPE_CHECKING:
    from riskstd.claims.files import Delivery
    from riskstd.claims.layouts import Role

# Claims column: the role that fills it, and the alternatives, each a set of columns that it takes together.
FILLED_BY: dict[str, tuple[Role, tuple[tuple[str, ...], ...]]] = {
    "professional_lines.type_of_service": ("professional_line", (("type_of_service",),)),
    "professional_lines.specialty": ("professional_line", (("specialty",),)),
    "professional_lines.place_of_service": ("professional_line", (("place_of_service",),)),
    "professional_lines.billing_npi": ("professional_header", (("billing_npi",),)),
    "professional_lines.organization_npi": ("professional_line", (("organization_npi",),)),
    "professional_lines.performing_npi": ("professional_line", (("performing_npi",),)),
    "outpatient_lines.bill_type": ("outpatient_header", (("bill_type",), ("facility_type", "service_class"))),
    "outpatient_lines.provider_ccn": ("outpatient_header", (("provider_ccn",),)),
    "outpatient_lines.facility_npi": ("outpatient_header", (("facility_npi",),)),
    "inpatient_claims.bill_type": ("inpatient_header", (("bill_type",), ("facility_type", "service_class"))),
    "inpatient_claims.provider_ccn": ("inpatient_header", (("provider_ccn",),)),
    "inpatient_claims.facility_npi": ("inpatient_header", (("facility_npi",),)),
    "inpatient_claims.admission_date": ("inpatient_header", (("admission_date",),)),
    "inpatient_claims.discharge_date": ("inpatient_header", (("discharge_date",),)),
    "inpatient_claims.discharge_status": ("inpatient_header", (("discharge_status",),)),
    "inpatient_claims.admission_source": ("inpatient_header", (("admission_source",),)),
    "people.death_date": ("beneficiary", (("death_date",),)),
}

_CONSEQUENCES: dict[tuple[Role, str], str] = {
    ("beneficiary", "death_date"): "deaths are not known, so nobody counts as having died in the window",
    ("professional_header", "denial"): "denied professional claims cannot be told and are kept",
    ("professional_line", "processing"): "denied professional lines cannot be told and are kept",
    ("outpatient_header", "nonpayment"): "denied outpatient claims cannot be told and are kept",
    ("outpatient_header", "frequency"): "voided outpatient claims cannot be told and are kept",
    ("outpatient_header", "service_class"): "bill types are not known, so every outpatient claim can show a visit",
    ("inpatient_header", "nonpayment"): "denied inpatient claims cannot be told and are kept",
    ("inpatient_header", "frequency"): "voided inpatient claims cannot be told and are kept",
    ("inpatient_header", "provider_ccn"): "hospitals cannot be told from special units, so every stay can be a visit",
    ("inpatient_header", "discharge_status"): "transfers on the next day and interim bills cannot be told by status",
}


def absent_columns(delivery: Delivery) -> set[str]:
    """Return the columns of the claims tables that no file of the delivery fills, as `table.column`."""
    absent = set()
    for column, (role, alternatives) in FILLED_BY.items():
        provided = any(all(columns_present(delivery, role, name) for name in names) for names in alternatives)
        if not provided and delivery.of_role(role):
            absent.add(column)
    return absent


def absence_statements(delivery: Delivery) -> list[str]:
    """Return a sentence for every column that the layout knows and that some file of the delivery lacks."""
    statements = []
    for (role, column), consequence in _CONSEQUENCES.items():
        names = delivery.layout.names_of(column)
        without = files_without(delivery, role, column) if names else []
        if without:
            statements.append(f"No column {' or '.join(names)} in {', '.join(without)}: {consequence}.")
    return statements
