"""Patients of edge cases: small lives written out by hand, day by day, and what must come of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from riskstd.spec.clauses import Exclusion
from riskstd.synth.codebook import YEARS, CodeBook
from riskstd.synth.plan import MONTHS, NEVER_PLANNED, NO_DAY, NONE, People, Plan, day_of, month_of
from riskstd.synth.profile import MeasureProfile
from riskstd.synth.world import World

BASE_DAY = day_of(2023, 3, 15)
BEFORE_2023 = day_of(2022, 10, 12)
MEANINGLESS = "H2513"
ACUTE = "N390"
HOSPITAL, OTHER_HOSPITAL = "990001", "990002"


@dataclass(frozen=True)
class Expected:
    """What must come of one procedure of an edge case.

    `is_candidate` is false when no rule is to see a procedure at all; None leaves a part unsaid.
    """

    name: str
    measure: str
    person: int
    facility: int
    day: int
    clause: str
    expected: str
    is_candidate: bool = True
    excluded_by: str | None = None
    outcome: int | None = None
    visits: int | None = None
    planned_rule: str | None = None
    factors: dict[str, float] = field(default_factory=dict)


@dataclass
class Ward:
    """Writes patients of one measure into a world."""

    world: World
    profile: MeasureProfile
    facilities: list[int]
    birth: list[int] = field(default_factory=list)
    death: list[int] = field(default_factory=list)
    has_record: list[bool] = field(default_factory=list)
    buy_in: list[np.ndarray] = field(default_factory=list)
    hmo: list[np.ndarray] = field(default_factory=list)
    cases: list[Expected] = field(default_factory=list)

    @property
    def plan(self) -> Plan:
        """Plan that takes the claims."""
        return self.world.plan

    @property
    def book(self) -> CodeBook:
        """What is known about codes for the measure."""
        return self.world.books[self.profile.id]

    def number(self, text: str) -> int:
        """Return the number of a text."""
        return self.plan.vocabulary(text)

    def exclusion(self, rule: str, role: str | None = None) -> Exclusion | None:
        """Return the exclusion of a rule (and role of its list), None if the measure has none."""
        return next(
            (
                clause
                for clause in self.profile.measure.exclusions
                if clause.rule == rule and role in (None, getattr(clause, "role", None))
            ),
            None,
        )

    def common_codes(self) -> list[str]:
        """Return common qualifying codes of all years that are no risk factor, lowest work RVU first."""
        always = [c for c in self.profile.codes if all(c in self.book.qualifying(year) for year in YEARS)]
        flagged = {
            code
            for factor in self.profile.measure.factors
            if factor.kind == "same_day_code"
            for code in always
            if code in self.book.codes(factor.table, factor.role, 2023)
        }
        return sorted(set(always) - flagged, key=lambda code: (self.book.work_rvu(code, 2023) or 0.0, code))

    def patient(
        self,
        name: str,
        clause: str,
        expected: str,
        *,
        base: int = BASE_DAY,
        birth: int | None = None,
        death: int | None = None,
        has_record: bool = True,
        buy_in: dict[int, str] | None = None,
        hmo: dict[int, str] | None = None,
    ) -> Patient:
        """Add a patient; months of `buy_in` and `hmo` count from the month of the base day."""
        person = len(self.world.people) + len(self.birth)
        self.birth.append(day_of(1950, 6, 15) if birth is None else birth)
        self.death.append(NO_DAY if death is None else base + death)
        self.has_record.append(has_record)
        month = int(month_of(np.array([base]))[0])
        self.buy_in.append(self._months("3", month, buy_in))
        self.hmo.append(self._months("0", month, hmo))
        return Patient(self, person, name, clause, expected, base)

    def _months(self, usual: str, base_month: int, changes: dict[int, str] | None) -> np.ndarray:
        months = np.full(MONTHS, self.number(usual), dtype=np.int32)
        for offset, code in (changes or {}).items():
            months[base_month + offset] = self.number(code)
        return months

    def admit(self) -> None:
        """Put the patients among the people of the world."""
        people, n = self.world.people, len(self.birth)
        done = int(np.char.startswith(people.person_id, "SYNE").sum())
        new = People(
            np.array([f"SYNE{number:011d}" for number in range(done + 1, done + n + 1)], dtype="U15"),
            np.array(self.birth, dtype=np.int32),
            np.array(self.death, dtype=np.int32),
            np.full(n, self.number("2"), dtype=np.int32),
            np.array(self.has_record, dtype=bool),
            np.array(self.buy_in),
            np.array(self.hmo),
        )
        names = ("person_id", "birth", "death", "sex", "has_record", "buy_in", "hmo")
        self.world.people = People(*(np.concatenate([getattr(people, n), getattr(new, n)]) for n in names))


@dataclass
class Patient:
    """One patient; days count from the base day."""

    ward: Ward
    person: int
    name: str
    clause: str
    expected: str
    base: int

    def expect(self, *, day: int = 0, facility: int = 0, **what: object) -> None:
        """Say what must come of the procedure of a day."""
        self.ward.cases.append(
            Expected(
                self.name,
                self.ward.profile.id,
                self.person,
                self._facility(facility),
                self.base + day,
                self.clause,
                self.expected,
                **what,  # type: ignore[arg-type]
            )
        )

    def _facility(self, facility: int) -> int:
        return NONE if facility < 0 else self.ward.facilities[facility]

    # ---- professional claims

    def surgery(
        self,
        codes: list[str] | None = None,
        *,
        day: int = 0,
        facility: int = 0,
        key: str = "billing",
        diagnosis: str = MEANINGLESS,
        type_of_service: str = "F",
        specialty: str = "49",
        place: str = "24",
        indicator: str = "A",
        payment: str = "1",
        claim_type: str = "71",
        modifier: str = "",
        surgeon: bool = True,
    ) -> None:
        """Add a facility claim, and the surgeon's; `key` is the field that holds the facility's NPI."""
        codes = codes or self.ward.common_codes()[:1]
        npi, decoy = self._facility(facility), self.ward.number("9300002011")
        stands = indicator in "ARS" and payment != "0" and claim_type == "71"
        is_facility_line = type_of_service == "F" or (specialty == "49" and place == "24")
        claim = self._carrier(
            day, day, diagnosis, billing=npi if key == "billing" else NONE, payment=payment,
            claim_type=claim_type, void=payment == "0" or claim_type != "71",
        )  # fmt: skip
        number = self.ward.number
        for line, code in enumerate(codes, start=1):
            self.ward.plan.add(
                "carrier", "lines", claim=claim, line=line, first=self.base + day, last=self.base + day,
                hcpcs=number(code), mod1=number(modifier), type_of_service=number(type_of_service),
                specialty=number(specialty), place=number(place), indicator=number(indicator),
                diagnosis=number(diagnosis), facility=npi,
                organization={"none": NONE, "performing": NONE, "organization": npi}.get(key, decoy),
                performing={"none": NONE, "performing": npi}.get(key, decoy),
                asc=is_facility_line, denied=not stands,
            )  # fmt: skip
        if surgeon:
            self.professional(codes, day=day, place="24", specialty=self.ward.profile.specialty, service="2")

    def professional(
        self,
        codes: list[str],
        *,
        day: int,
        place: str = "11",
        specialty: str = "11",
        service: str = "1",
        diagnosis: str = MEANINGLESS,
        last: int | None = None,
        line_day: int | None = None,
        line_diagnosis: str | None = None,
    ) -> np.ndarray:
        """Add a professional claim from `day` to `last`, with lines on `line_day`; return its number."""
        number = self.ward.number
        claim = self._carrier(day, day if last is None else last, diagnosis, billing=number("9300002022"))
        at = self.base + (day if line_day is None else line_day)
        self.ward.plan.add(
            "carrier", "lines", claim=np.repeat(claim, len(codes)), line=np.arange(1, len(codes) + 1),
            first=at, last=at, hcpcs=self.ward.plan.vocabulary.many(codes), type_of_service=number(service),
            specialty=number(specialty), place=number(place), indicator=number("A"),
            diagnosis=number(line_diagnosis or diagnosis), organization=number("9300002022"),
            performing=number("9200001017"),
        )  # fmt: skip
        return claim

    def _carrier(
        self,
        day: int,
        last: int,
        diagnosis: str,
        *,
        billing: int,
        payment: str = "1",
        claim_type: str = "71",
        void: bool = False,
    ) -> np.ndarray:
        plan, number = self.ward.plan, self.ward.number
        claim = plan.new_claims(1)
        plan.add(
            "carrier", "claims", claim=claim, person=self.person, first=self.base + day,
            last=self.base + last, principal=number(diagnosis), claim_type=number(claim_type),
            payment=number(payment), billing=billing, void=void,
        )  # fmt: skip
        plan.add_diagnoses("carrier", claim, np.array([[number(diagnosis)]]))
        return claim

    # ---- hospital claims

    def outpatient(
        self,
        lines: list[tuple[str, str]],
        *,
        day: int,
        visits: tuple[str, ...] = (),
        diagnosis: str = ACUTE,
        line_day: int | None = None,
        blank_line_day: bool = False,
        last: int | None = None,
        bill_type: str = "131",
        nonpayment: str = "",
        ccn: str = HOSPITAL,
    ) -> None:
        """Add a hospital outpatient claim with (revenue, HCPCS) lines that makes the visits named."""
        plan, number = self.ward.plan, self.ward.number
        claim = plan.new_claims(1)
        end = day if last is None else last
        plan.add(
            "outpatient", "claims", claim=claim, person=self.person, first=self.base + day,
            last=self.base + end, principal=number(diagnosis), ccn=number(ccn), npi=number("9400005003"),
            facility_type=number(bill_type[0]), bill_class=number(bill_type[1]),
            frequency=number(bill_type[2]), nonpayment=number(nonpayment),
            void=bool(nonpayment) or bill_type[2] == "8",
        )  # fmt: skip
        plan.add_diagnoses("outpatient", claim, np.array([[number(diagnosis)]]))
        at = self.base + (day if line_day is None else line_day)
        for line, (revenue, hcpcs) in enumerate(lines, start=1):
            plan.add(
                "outpatient", "lines", claim=claim, line=line, revenue=number(revenue), hcpcs=number(hcpcs),
                day=NO_DAY if blank_line_day else at,
            )  # fmt: skip
        for kind in visits:
            self.visit(kind, at - self.base, [claim], principal=diagnosis, ccn=ccn)

    def ed(self, day: int, **details: object) -> None:
        """Add an ED visit."""
        self.outpatient([("0450", "99284"), ("0300", "80053")], day=day, visits=("ed",), **details)  # type: ignore[arg-type]

    def admission(
        self,
        day: int,
        discharge: int | None,
        *,
        thru: int | None = None,
        from_day: int | None = None,
        principal: str = ACUTE,
        diagnosis: str | None = None,
        procedures: tuple[str, ...] = (),
        status: str = "01",
        source: str = "1",
        bill_type: str = "111",
        ccn: str = HOSPITAL,
        ed_line: bool = False,
    ) -> np.ndarray:
        """Add an inpatient claim; `discharge` None means still a patient at `thru`. Return its number."""
        plan, number = self.ward.plan, self.ward.number
        claim = plan.new_claims(1)
        last = discharge if thru is None else thru
        plan.add(
            "inpatient", "claims", claim=claim, person=self.person,
            first=self.base + (day if from_day is None else from_day), last=self.base + (last or 0),
            principal=number(principal), ccn=number(ccn), npi=number("94" + ccn.zfill(8)),
            facility_type=number(bill_type[0]), bill_class=number(bill_type[1]),
            frequency=number(bill_type[2]), admission=self.base + day,
            discharge=NO_DAY if discharge is None else self.base + discharge, status=number(status),
            source=number(source),
        )  # fmt: skip
        listed = principal if diagnosis is None else diagnosis
        if listed:
            plan.add_diagnoses("inpatient", claim, np.array([[number(listed)]]))
        for slot, code in enumerate(procedures, start=1):
            plan.add("inpatient", "procedures", claim=claim, slot=slot, code=number(code), day=self.base + day)
        revenues = ("0120", "0450", "0001") if ed_line else ("0120", "0001")
        for line, revenue in enumerate(revenues, start=1):
            plan.add("inpatient", "lines", claim=claim, line=line, revenue=number(revenue))
        return claim

    def stay(self, day: int, discharge: int, rule: str = "no_planned_procedure", **details: object) -> None:
        """Add a stay of one claim that is a visit under a rule of the planned admission algorithm."""
        claim = self.admission(day, discharge, **details)  # type: ignore[arg-type]
        principal = str(details.get("principal", ACUTE))
        ccn = str(details.get("ccn", HOSPITAL))
        self.visit("inpatient", day, [claim], end=discharge, rule=rule, principal=principal, ccn=ccn)

    def visit(
        self,
        kind: str,
        day: int,
        claims: list[np.ndarray],
        *,
        end: int | None = None,
        rule: str = NEVER_PLANNED,
        principal: str = ACUTE,
        ccn: str = "",
        professional: bool = False,
    ) -> None:
        """Note that claims make a visit."""
        plan, number = self.ward.plan, self.ward.number
        visit = plan.new_visits(1)
        plan.add(
            "visits", "claims", visit=visit, person=self.person,
            type=("ed", "observation", "inpatient").index(kind), start=self.base + day,
            end=self.base + (day if end is None else end), rule=number(rule), principal=number(principal),
            ccn=number(ccn), professional=professional,
        )  # fmt: skip
        plan.add("visits", "lines", visit=np.repeat(visit, len(claims)), claim=np.concatenate(claims))
