"""One case: the lines that procedures are read from, the qualifying ones, and the procedure that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

from riskstd.codes import CodeSet
from riskstd.pipeline.tracing.evidence import Asker, Decision, Evidence

if TYPE_CHECKING:
    from riskstd.pipeline.tracing.person import PersonClaims, Row
    from riskstd.spec import Measure
    from riskstd.spec.clauses import IndexLine

_TABLES = {
    "asc_facility_line": "professional_lines",
    "surgeon_line": "professional_lines",
    "hospital_outpatient_line": "outpatient_lines",
    "inpatient_procedure": "procedures",
}


@dataclass(frozen=True, eq=False)
class IndexRow:
    """A claim line that procedures are read from, with the unit that it belongs to."""

    table: str
    row: Row
    clause: IndexLine
    day: date
    facility_id: str | None
    code: str | None
    claim_id: str
    claim: Row | None = None


@dataclass(frozen=True)
class Case:
    """A candidate procedure with everything that decisions on it look at.

    Attributes
    ----------
    measure : Measure
    claims : PersonClaims
        Of the person.
    procedure : dict
        Row of the run.
    period : pair of date or None
    others : list of dict
        Index procedures of the person in the run, `procedure_id, procedure_date`.
    """

    measure: Measure
    claims: PersonClaims
    procedure: Row
    period: tuple[date, date] | None
    others: list[Row]
    ask: Asker
    evidence: Evidence

    @property
    def day(self) -> date:
        """Procedure date."""
        return self.procedure["procedure_date"]

    @cached_property
    def person(self) -> Row | None:
        """Beneficiary record of the person."""
        return next(iter(self.claims.rows("people")), None)

    @cached_property
    def index_rows(self) -> list[IndexRow]:
        """Lines of the person that procedures may be read from."""
        return [line for clause in self.measure.index_lines for line in _lines_of(self.claims, clause)]

    @cached_property
    def by_place_only(self) -> bool:
        """Tell whether facility lines are told by place of service alone, so that a day is one procedure."""
        rules = {clause.rule for clause in self.measure.index_lines}
        return "asc_facility_line" in rules and not knows_facility_lines(self.claims)

    @cached_property
    def qualifying(self) -> list[IndexRow]:
        """Lines of the person whose code qualifies in its year."""
        codes = self.measure.definition.cohort.codes
        return [line for line in self.index_rows if self.is_listed(line, codes.table, codes.role)]

    @cached_property
    def own_lines(self) -> list[IndexRow]:
        """Qualifying lines of this procedure."""
        same_day = [line for line in self.qualifying if line.day == self.day]
        if self.by_place_only:
            return same_day
        return [line for line in same_day if line.facility_id == self.procedure["facility_id"]]

    @property
    def lines_of_day(self) -> list[IndexRow]:
        """Facility lines of the person on the day, at any facility."""
        return [line for line in self.index_rows if line.day == self.day]

    def is_listed(self, line: IndexRow, table: str, role: str) -> bool:
        """Tell whether the code of a line is listed under a role in its year."""
        if line.code is None:
            return False
        return line.code in codes_of(self.measure, table, role, line.day.year)

    def cite(self, lines: Sequence[IndexRow]) -> list[str]:
        """Return the numbers of some lines."""
        for line in lines:
            if line.claim is not None:
                self.evidence.cite("inpatient_claims", line.claim)
        return [self.evidence.cite(line.table, line.row) for line in lines]

    def after(self, day: date) -> int:
        """Return days from the procedure to a day."""
        return (day - self.day).days


def codes_of(measure: Measure, table: str, role: str, year: int, system: str | None = None) -> CodeSet:
    """Return the codes of a role of a code list that hold in a year."""
    key = (measure.table(table).sha256, role, year, system)
    if key not in _CODES:
        _CODES[key] = measure.table(table).codes(role, year=year, system=system)
    return _CODES[key]


_CODES: dict[tuple[Any, ...], CodeSet] = {}


def decide_candidate(case: Case) -> list[Decision]:
    """Return the decisions that made the candidate: its lines, its codes, one procedure."""
    cohort = case.measure.definition.cohort
    of_day = case.lines_of_day
    decisions = [_index_line(case, clause) for clause in case.measure.index_lines]
    qualifying = [line for line in case.qualifying if line.day == case.day]
    decisions.append(
        case.ask.decide(
            cohort.codes,
            case.cite(qualifying),
            case.cite(of_day),
            codes=[{"line": case.cite([line])[0], "code": line.code, "listed": line in qualifying} for line in of_day],
        )
    )
    values = _values_of_codes(case)
    record = {name: case.procedure[name] for name in ("codes", "index_code", "work_rvu", "qualifying_procedures")}
    decisions.append(
        case.ask.decide(cohort.record, record, case.cite(case.own_lines), codes=values, day_is_one=case.by_place_only)
    )
    return decisions


def judged_record(case: Case) -> dict[str, Any]:
    """Return codes, index code, work RVU and count of the procedure as its lines give them."""
    values = _values_of_codes(case)
    first = min(values, key=lambda v: (v["work_rvu"] is None, -(v["work_rvu"] or 0.0), v["code"]), default=None)
    return {
        "codes": " ".join(value["code"] for value in values),
        "index_code": None if first is None else first["code"],
        "work_rvu": None if first is None else first["work_rvu"],
        "qualifying_procedures": len(values),
    }


def _values_of_codes(case: Case) -> list[dict[str, Any]]:
    table = case.measure.table(case.measure.definition.cohort.record.work_rvu_table)
    found = []
    for code in sorted({line.code for line in case.own_lines if line.code}):
        value, year = table.work_rvu(code, case.day.year) or (None, None)
        found.append({"code": code, "work_rvu": value, "work_rvu_of_year": year})
    return found


def _index_line(case: Case, clause: IndexLine) -> Decision:
    table = _TABLES[clause.rule]
    mine = [line for line in case.lines_of_day if line.clause is clause]
    looked_at = [row for row, day in _days(case.claims, table) if day == case.day]
    lines = case.evidence.cite_all(table, looked_at)
    if table == "procedures":
        # Type of bill and hospital of a procedure stand on its claim.
        done_in = {row["claim_id"] for row in looked_at}
        claims = [row for row in case.claims.rows("inpatient_claims") if row["claim_id"] in done_in]
        lines += case.evidence.cite_all("inpatient_claims", claims)
    return case.ask.decide(
        clause,
        [{"line": number, "facility_id": line.facility_id} for line in mine for number in case.cite([line])],
        lines,
        absent_columns=sorted(case.claims.absent),
    )


def _days(claims: PersonClaims, table: str) -> list[tuple[Row, date | None]]:
    if table != "procedures":
        return [(row, row["line_date"]) for row in claims.rows(table)]
    admitted = {row["claim_id"]: row["admission_date"] for row in claims.rows("inpatient_claims")}
    return [(row, row["procedure_date"] or admitted.get(row["claim_id"])) for row in claims.rows(table)]


def _lines_of(claims: PersonClaims, clause: IndexLine) -> list[IndexRow]:
    if clause.rule == "inpatient_procedure":
        return _inpatient_procedures(claims, clause)
    table = _TABLES[clause.rule]
    return [
        IndexRow(table, row, clause, row["line_date"], _first(row, clause.facility_keys), row["hcpcs"], row["claim_id"])
        for row in claims.rows(table)
        if _is_index_line(claims, row, clause)
    ]


def _inpatient_procedures(claims: PersonClaims, clause: Any) -> list[IndexRow]:
    stays = {row["claim_id"]: row for row in claims.rows("inpatient_claims")}
    found = []
    for row in claims.rows("procedures"):
        claim = stays.get(row["claim_id"])
        if claim is not None and has_bill_type(claims, "inpatient_claims", claim, clause.bill_types):
            day = row["procedure_date"] or claim["admission_date"]
            facility = _first(claim, clause.facility_keys)
            found.append(IndexRow("procedures", row, clause, day, facility, row["code"], row["claim_id"], claim))
    return found


def _is_index_line(claims: PersonClaims, row: Row, clause: Any) -> bool:
    match clause.rule:
        case "asc_facility_line":
            at_place = row["place_of_service"] in clause.place_of_service
            if not knows_facility_lines(claims):
                return at_place
            return row["type_of_service"] in clause.type_of_service or (
                row["specialty"] in clause.specialty and at_place
            )
        case "surgeon_line":
            unwanted = (
                row["specialty"] in clause.specialty_not
                or row["type_of_service"] in clause.type_of_service_not
                or has_modifier(row, clause.modifiers_not)
            )
            return row["place_of_service"] in clause.place_of_service and not unwanted
        case _:
            return has_bill_type(claims, "outpatient_lines", row, clause.bill_types)


def knows_facility_lines(claims: PersonClaims) -> bool:
    """Tell whether the layout has type of service or specialty."""
    return claims.has("professional_lines", "type_of_service") or claims.has("professional_lines", "specialty")


def has_bill_type(claims: PersonClaims, table: str, row: Row, bill_types: Sequence[str]) -> bool:
    """Tell whether the type of bill is among some, or the layout has none."""
    return not claims.has(table, "bill_type") or (row["bill_type"] or "")[:2] in bill_types


def has_modifier(row: Row, modifiers: Sequence[str]) -> bool:
    """Tell whether a line carries one of some modifiers."""
    return bool(set((row.get("modifiers") or "").split()) & set(modifiers))


def _first(row: Row, keys: Sequence[str]) -> str | None:
    return next((row[key] for key in keys if row[key] is not None), None)
