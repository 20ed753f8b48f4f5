"""Random small sets of claims that crowd around the boundaries of the rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from oracle.chooser import Chooser
from oracle.palette import Palette
from riskstd.spec import Measure
from riskstd.tables import CLAIMS_TABLES

Tables = dict[str, list[dict[str, Any]]]
PEOPLE_PER_SET = 10

ANCHORS = (
    date(2023, 3, 15),
    date(2024, 2, 27),
    date(2022, 12, 27),
    date(2022, 12, 29),
    date(2023, 6, 23),
    date(2023, 6, 24),
    date(2024, 12, 30),
)
OLD_ANCHOR = date(2015, 12, 30)
NEAR = (0, 1, 3, 6, 7, 8, 9, -1, -2)
BEFORE = (-30, -1, 0, -2, -200, -364, -365, -366, -367, 1, 3, 7, 8)
HOSPITALS = ("050001", "050001", "050001", "050002", "051301", "05S001", "05T001", "052001", None, "05")
ABSENT = (
    (),
    (),
    ("professional_lines.type_of_service", "professional_lines.specialty"),
    ("outpatient_lines.bill_type",),
    ("inpatient_claims.bill_type",),
    ("inpatient_claims.provider_ccn",),
    ("inpatient_claims.provider_ccn", "inpatient_claims.bill_type", "outpatient_lines.bill_type"),
)
PERIODS = (None, None, (date(2023, 3, 15), date(2024, 2, 27)), (date(2023, 3, 16), date(2023, 6, 30)))


@dataclass(frozen=True)
class Terms:
    """What a run is given beside claims: options, absent columns, period."""

    options: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, ...] = ()
    period: tuple[date, date] | None = None


def random_terms(choose: Chooser, measure: Measure) -> Terms:
    """Return defaults, or some of the options changed, some columns absent, a period."""
    options = tuple(
        (name, choose.pick(option.choices)) for name, option in measure.definition.options.items() if choose.chance(35)
    )
    return Terms(options, choose.pick(ABSENT), choose.pick(PERIODS))


def random_claims(choose: Chooser, palette: Palette, number: int = 0, people: int = 4) -> Tables:
    """Return a small set of claims; `number` keeps the keys of several sets apart."""
    maker = _Maker(choose, palette, number)
    for position in range(choose.whole(1, people)):
        maker.add_person(number * PEOPLE_PER_SET + position)
    return maker.tables


def without_columns(tables: Tables, absent: tuple[str, ...]) -> Tables:
    """Return the tables with absent columns null throughout, as a reader leaves them."""
    gone = [name.split(".") for name in absent]
    return {
        table: [{**row, **{column: None for t, column in gone if t == table}} for row in rows]
        for table, rows in tables.items()
    }


class _Maker:
    """Rows of one set of claims."""

    def __init__(self, choose: Chooser, palette: Palette, number: int) -> None:
        self.choose = choose
        self.palette = palette
        self.number = number
        self.tables: Tables = {table.name: [] for table in CLAIMS_TABLES if table.name != "stays"}
        self.anchor = OLD_ANCHOR if choose.chance(4) else choose.pick(ANCHORS)
        self.person = 0

    def add(self, table: str, **cells: Any) -> None:
        names = next(t.names for t in CLAIMS_TABLES if t.name == table)
        row = {name: None for name in names if name != "stay_id"}
        self.tables[table].append({**row, "person_key": self.person, **cells})

    def day(self, offsets: tuple[int, ...]) -> date:
        return self.anchor + timedelta(days=self.choose.pick(offsets))

    def claim(self, letter: str, position: int) -> str:
        return f"{self.person:07d}-{letter}{position}"

    def npi(self, position: int) -> str:
        return f"1{self.number:06d}{position:03d}"

    def add_person(self, key: int) -> None:
        self.person = key
        self.add_record()
        self.add_enrollment()
        self.add_facility_lines()
        self.add_outpatient_lines()
        self.add_inpatient_claims()
        self.add_professional_lines()
        self.add_diagnoses()

    def add_record(self) -> None:
        choose = self.choose
        if choose.chance(4):
            return
        birth: date | None = date(1945, 5, 5)
        if choose.chance(40):
            year = self.anchor.year - choose.pick((70, 75, 80, 85, 90, 65, 65))
            birth = self.anchor.replace(year=year, day=min(self.anchor.day, 28)) + timedelta(
                days=choose.pick((0, 1, -1, 7))
            )
        elif choose.chance(4):
            birth = choose.pick((None, date(1960, 2, 29), date(1952, 2, 29)))
        death = self.day((15, 9, 8, 7, 6, 0, -1)) if choose.chance(20) else None
        self.add("people", birth_date=birth, death_date=death, sex="female")

    def add_enrollment(self) -> None:
        choose = self.choose
        month = self.anchor.year * 12 + self.anchor.month - 1
        flags: dict[int, tuple[str | None, str | None]] = {month + n: ("3", "0") for n in range(-14, 3)}
        if choose.chance(25):
            for _ in range(choose.whole(1, 2)):
                at = month + choose.pick((-12, -13, -11, -1, 0, 1, 2))
                flags[at] = (choose.pick(("3", "C", "1", "A", None)), choose.pick(("0", "4", "", "1", "C")))
        if choose.chance(10):
            flags.pop(month + choose.pick((-13, -12, -11, 0, 1)), None)
        for at, (buy_in, hmo) in sorted(flags.items()):
            self.add("enrollment", month=at, buy_in=buy_in, hmo=hmo)

    def add_facility_lines(self) -> None:
        choose = self.choose
        for position in range(choose.whole(0 if choose.chance(10) else 1, 4)):
            usual = not choose.chance(15)
            self.add(
                "professional_lines",
                claim_id=self.claim("A", choose.whole(1, 3)),
                line_number=position + 1,
                line_date=self.day((0, 0, 0, 0, 1, 3, 6, 7, 8, 9)),
                hcpcs=choose.pick(self.palette.facility_codes),
                modifiers=choose.pick(("73", "59 74", "59", "7", "PT 73")) if choose.chance(25) else None,
                type_of_service="F" if usual else choose.pick(("F", "2", None)),
                specialty="49" if usual else choose.pick(("49", "10", None)),
                place_of_service="24" if usual else choose.pick(("24", "22", None)),
                **self.npis(),
            )

    def npis(self) -> dict[str, str | None]:
        choose = self.choose
        if not choose.chance(20):
            return {"billing_npi": self.npi(choose.pick((1, 1, 2)))}
        names = ("billing_npi", "organization_npi", "performing_npi")
        return {name: self.npi(choose.whole(1, 3)) if choose.chance(40) else None for name in names}

    def add_professional_lines(self) -> None:
        choose = self.choose
        stays = [row for row in self.tables["inpatient_claims"] if row["person_key"] == self.person]
        in_stays = [row[name] for row in stays for name in ("admission_date", "discharge_date")]
        for position in range(choose.pick((0, 1, 2) if stays else (0, 0, 1, 2))):
            near_stay = bool(stays) and choose.chance(50)
            day = choose.pick(in_stays) + timedelta(days=choose.pick((0, 1, -1))) if near_stay else self.day(NEAR)
            codes = self.palette.visit_hcpcs if choose.chance(80) else self.palette.facility_codes
            self.add(
                "professional_lines",
                claim_id=self.claim("P", choose.whole(1, 2)),
                line_number=position + 1,
                line_date=day,
                hcpcs=choose.pick(codes),
                type_of_service="1",
                specialty="11",
                place_of_service=choose.pick(("22", "23", "24", "21")),
                performing_npi=self.npi(9),
            )

    def add_outpatient_lines(self) -> None:
        choose = self.choose
        for position in range(choose.pick((0, 0, 1, 2, 3))):
            self.add(
                "outpatient_lines",
                claim_id=self.claim("O", choose.whole(1, 2)),
                line_number=position + 1,
                line_date=self.day(NEAR),
                bill_type=choose.pick(("131", "131", "851", "831", "135", "113", None)),
                provider_ccn="050001",
                revenue_code=choose.pick(self.palette.revenue_codes) if choose.chance(85) else None,
                hcpcs=choose.pick(self.palette.visit_hcpcs) if choose.chance(40) else None,
            )

    def add_inpatient_claims(self) -> None:
        choose = self.choose
        admitted = self.day((1, 0, 3, 5, 6, 7, 8, -1, -3, -40, -365, -366))
        discharged = admitted
        hospital: str | None = None
        for position in range(choose.pick((0, 0, 1, 2, 3))):
            if position:
                admitted = choose.pick((discharged, admitted)) + timedelta(days=choose.pick((0, 1, 2, -1, 3)))
            discharged = admitted + timedelta(days=choose.whole(0, 4))
            first = admitted + timedelta(days=choose.pick((1, 2))) if choose.chance(10) else admitted
            code = choose.pick(self.palette.principal_diagnoses) if choose.chance(85) else None
            version = 10 if not choose.chance(8) else choose.pick((9, None))
            claim_id = self.claim("I", position + 1)
            hospital = hospital if position and choose.chance(35) else choose.pick(HOSPITALS)
            self.add(
                "inpatient_claims",
                claim_id=claim_id,
                from_date=min(first, discharged),
                thru_date=discharged,
                admission_date=admitted,
                discharge_date=discharged,
                provider_ccn=hospital,
                facility_npi=choose.pick((None, self.npi(51), self.npi(52))),
                bill_type=choose.pick(("111", "111", "111", "117", "411", "211", None)),
                discharge_status=choose.pick(("01", "02", "30", None)),
                admission_source=choose.pick(("1", "4", None)),
                principal_diagnosis=code,
                principal_icd_version=version if code else None,
                revenue_codes=choose.pick(("0120", "0120 0450", "0456", None, "0981")),
            )
            if code and version:
                self.add(
                    "diagnoses",
                    claim_id=claim_id,
                    setting="inpatient",
                    service_date=discharged,
                    role="principal",
                    position=0,
                    code=code,
                    icd_version=version,
                )
            for slot in range(choose.pick((0, 1, 2))):
                code = choose.pick(self.palette.procedures)
                self.add("procedures", claim_id=claim_id, position=slot + 1, code=code, procedure_date=admitted)

    def add_diagnoses(self) -> None:
        choose = self.choose
        claims = [("outpatient", self.claim("D", 1)), ("professional", self.claim("E", 1))]
        for table, setting in (
            ("inpatient_claims", "inpatient"),
            ("outpatient_lines", "outpatient"),
            ("professional_lines", "professional"),
        ):
            rows = [row for row in self.tables[table] if row["person_key"] == self.person]
            claims += sorted({(setting, row["claim_id"]) for row in rows})
        for position in range(choose.whole(0, 6)):
            setting, claim_id = choose.pick(claims)
            old = choose.chance(8)
            self.add(
                "diagnoses",
                claim_id=claim_id,
                setting=setting,
                service_date=self.day(BEFORE),
                role=choose.pick(("claim", "line")),
                position=position + 1,
                code=choose.pick(self.palette.old_diagnoses if old else self.palette.diagnoses),
                icd_version=9 if old or choose.chance(4) else 10,
            )
