"""One synthetic world in three dialects: the same results, but for what limited data sets lack, row by row.

What they lack, and by which rule the reader goes on:

- the birth date: 1 July of the year that the age at the end of the year gives,
- the first day of claims and of professional lines: the last day of each.

So files of the first dialect from which just this is taken must lead to the very results of limited data sets, and
every row that differs from the full files must be of a person whose age, or of a claim whose day, that changes.
"""

from __future__ import annotations

from collections import Counter
from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from comparing import CASE, MEASURES, Found, plain_days, rows

from riskstd.claims import read_claims
from riskstd.synth import synthesize
from riskstd.tables import CLAIMS_TABLES, to_frame

SETTINGS = {
    "everyday": {"facilities": 6, "procedures": 500, "seed": 21},
    "nation": {"people": 24_000, "seed": 21, "workers": 2},
}
RESULTS = {
    "index": ["claim_id", "codes", "index_code", "work_rvu", "qualifying_procedures", "age_years", "died_in_window",
              "facilities_same_day"],
    "excluded": ["claim_id", "codes", "index_code", "work_rvu", "qualifying_procedures", "age_years", "excluded_by"],
    "visits": ["visit_type", "start_date", "days_after", "planned", "planned_rule", "counted", "not_counted_because",
               "facility_visited", "principal_diagnosis", "claim_id"],
    "outcomes": ["outcome"],
}  # fmt: skip
TRUTH = {
    "index": "index_procedures",
    "excluded": "excluded_procedures",
    "visits": "hospital_visits",
    "outcomes": "outcomes",
    "factors": "risk_factors",
}
KINDS = ("carrier", "outpatient", "inpatient")


class World:
    """A synthetic world in the three dialects, and once more as the first without what the third lacks."""

    def __init__(self, folder, settings):
        self.folder = folder
        for layout in ("ccw", "flat", "lds"):
            synthesize(folder / layout, layout=layout, **settings)
        without_what_lds_lacks(folder / "ccw" / "claims", folder / "less" / "claims")
        self.claims = {
            name: read_claims(folder / name / "claims", out=folder / name / "tables")
            for name in ("ccw", "flat", "lds", "less")
        }
        self.people = self._same_people()
        self._claim_names = self._claim_numbers()
        self._found = {}

    def found(self, name, measure):
        """Results of a measure, under the names that people and claims have in limited data sets."""
        if (name, measure) not in self._found:
            found = Found(self.claims[name], measure)
            if name != "lds":
                for result in ("index", "excluded", "visits", "outcomes", "factors"):
                    setattr(found, result, self.renamed(getattr(found, result)))
            self._found[name, measure] = found
        return self._found[name, measure]

    def renamed(self, frame):
        frame = frame.copy()
        frame["person_id"] = frame["person_id"].map(self.people)
        if "claim_id" in frame:
            frame["claim_id"] = frame["claim_id"].map(self._claim_names)
        return frame

    def table(self, dialect, name):
        """A raw file or a truth file, all its parts."""
        found = sorted((self.folder / dialect).glob(f"*/{name}.parquet"))
        found = found or sorted((self.folder / dialect).glob(f"*/{name}_[0-9]*.parquet"))
        return pd.concat([plain_days(pq.read_table(path).to_pandas()) for path in found], ignore_index=True)

    def _same_people(self):
        """Files of all dialects hold the same rows in the same order."""
        names = {}
        for name in ("mbsf", *(f"{kind}_base" for kind in KINDS)):
            ccw, lds = self.table("ccw", name)["BENE_ID"], self.table("lds", name)["DESY_SORT_KEY"]
            names |= dict(zip(ccw, lds, strict=True))
        return names

    def _claim_numbers(self):
        names = {}
        for kind in KINDS:
            ccw, lds = self.table("ccw", f"{kind}_base"), self.table("lds", f"{kind}_base")
            year = pd.to_datetime(lds["CLM_THRU_DT"]).dt.year.astype(str)
            numbers = lds["CLAIM_NO"] + "-" + year + "-" + lds["NCH_CLM_TYPE_CD"].astype(str)
            names |= dict(zip(ccw["CLM_ID"], numbers, strict=True))
        return names


def without_what_lds_lacks(source, target):
    """Copy claim files with birthdays on 1 July and without first days."""
    target.mkdir(parents=True)
    for path in source.iterdir():
        table = pq.read_table(path)
        for name in ("CLM_FROM_DT", "LINE_1ST_EXPNS_DT"):
            if name in table.column_names:
                place = table.column_names.index(name)
                table = table.set_column(place, name, pa.nulls(len(table), table.schema.field(name).type))
        if "BENE_BIRTH_DT" in table.column_names:
            born = [None if day is None else date(day.year, 7, 1) for day in table["BENE_BIRTH_DT"].to_pylist()]
            table = table.set_column(
                table.column_names.index("BENE_BIRTH_DT"), "BENE_BIRTH_DT", pa.array(born, pa.date32())
            )
        pq.write_table(table, target / path.name)


@pytest.fixture(scope="module", params=["everyday", pytest.param("nation", marks=pytest.mark.slow)])
def world(request, tmp_path_factory):
    return World(tmp_path_factory.mktemp(request.param), SETTINGS[request.param])


def results(found):
    """Every row of every result of a measure, as text, with the columns that it has."""
    named = {name: [*CASE, *columns] for name, columns in RESULTS.items()}
    named["factors"] = [*CASE, *found.measure.factor_columns]
    return {name: (columns, rows(getattr(found, name), columns)) for name, columns in named.items()}


def test_flat_files_lead_to_the_same_tables_byte_for_byte(world):
    for table in CLAIMS_TABLES:
        ccw, flat = (world.claims[name].folder / f"{table.name}.parquet" for name in ("ccw", "flat"))
        assert pq.read_metadata(ccw).num_rows > 0, table.name
        assert ccw.read_bytes() == flat.read_bytes(), table.name


@pytest.mark.slow
@pytest.mark.parametrize("measure", MEASURES)
def test_flat_files_lead_to_the_same_results(world, measure):
    ccw, flat = (results(world.found(name, measure)) for name in ("ccw", "flat"))
    assert len(ccw["index"][1]) > 50
    assert flat == ccw


@pytest.mark.parametrize("measure", MEASURES)
def test_limited_data_sets_lead_to_the_results_of_files_without_what_they_lack(world, measure):
    less, lds = (results(world.found(name, measure)) for name in ("less", "lds"))
    for name, (columns, found) in lds.items():
        assert len(found) > 0, name
        assert found == less[name][1], (name, columns)


def test_limited_data_sets_lead_to_the_tables_of_files_without_what_they_lack(world):
    less, lds = (tables_by_names(world.claims[name]) for name in ("less", "lds"))
    for name, frame in less.items():
        assert len(frame) > 0
        pd.testing.assert_frame_equal(in_order(lds[name]), in_order(world.renamed(frame)), obj=name)


def in_order(frame):
    """Rows in the order of all their cells, texts in one type."""
    named = {name: frame[name].astype("string") for name in ("person_id", "claim_id") if name in frame}
    return frame.assign(**named).sort_values(list(frame.columns), ignore_index=True)


def tables_by_names(claims):
    """Claims tables with identifiers in place of the numbers that dialects give people and stays."""
    keys = to_frame(claims.person_keys)
    every = {table.name: to_frame(claims.tables[table.name]).merge(keys, on="person_key") for table in CLAIMS_TABLES}
    return {name: frame.drop(columns=["person_key", "stay_id"], errors="ignore") for name, frame in every.items()}


@pytest.mark.parametrize("measure", MEASURES)
def test_every_row_that_limited_data_sets_change_is_of_a_named_lack(world, measure):
    found = world.found("ccw", measure), world.found("lds", measure)
    lacks, changed = Lacks(world), Counter()
    for name, (columns, before) in results(found[0]).items():
        after = results(found[1])[name][1]
        for lack in lacks.of(columns, Counter(before) - Counter(after), Counter(after) - Counter(before)):
            changed[name, lack] += 1
    assert {lack for _, lack in changed} <= {"age", "turns 65", "first day"}, changed
    # Cases with another age on both sides of 65 never leave; each row is there before and after.
    ages = [lacks.ages(case["person_id"], case["procedure_date"]) for _, case in found[0].index.iterrows()]
    assert changed["index", "age"] == 2 * sum(full != rule and rule >= 65 for full, rule in ages) > 0
    cohorts = [{tuple(row) for row in one.index[CASE].to_numpy()} for one in found]
    moved = sum(full != rule and rule < 65 for full, rule in ages) + len(cohorts[1] - cohorts[0])
    assert len(cohorts[0] ^ cohorts[1]) == moved == changed["index", "turns 65"] == changed["outcomes", "turns 65"]
    assert changed["outcomes", "age"] == 0
    assert len(found[0].index) + len(found[0].excluded) == len(found[1].index) + len(found[1].excluded)


@pytest.mark.parametrize("measure", MEASURES)
def test_truth_of_limited_data_sets_is_what_the_full_files_lead_to(world, measure):
    """So that what the test before counts is what limited data sets differ from the truth by."""
    found = world.found("ccw", measure)
    for name, table in TRUTH.items():
        of_factors = name == "factors"
        truth = world.table("lds", f"{table}_{measure}" if of_factors else table)
        truth = truth if of_factors else truth[truth["measure"] == measure]
        known = found.measure.factor_columns if of_factors else [c for c in RESULTS[name] if c in truth.columns]
        # Truth knows the age of people whom no file of records has.
        columns = [*CASE, *(c for c in known if (name, c) != ("excluded", "age_years"))]
        assert len(truth) > 0
        assert rows(getattr(found, name), columns) == rows(truth, columns), name


class Lacks:
    """Which lack explains that rows differ, by the raw files of the full dialect."""

    def __init__(self, world):
        people = world.table("ccw", "mbsf").drop_duplicates("BENE_ID", keep="last")
        self._born = dict(zip(people["BENE_ID"].map(world.people), people["BENE_BIRTH_DT"], strict=True))
        self._late = {world.people[person] for person in late_people(world)}

    def of(self, columns, old, new):
        """The lack of every row that is there only before, and only after."""
        by_rest = Counter(without_age(columns, row) for row in (*old.elements(), *new.elements()))
        for row in (*old.elements(), *new.elements()):
            yield self._of(dict(zip(columns, row, strict=True)), by_rest[without_age(columns, row)])

    def ages(self, person, day):
        """Age on a day by the birthday, and by the rule."""
        born, day = self._born.get(person), date.fromisoformat(day)
        return (None, None) if pd.isna(born) else (age(born, day), age(date(born.year, 7, 1), day))

    def _of(self, row, alike):
        full, rule = self.ages(row["person_id"], row["procedure_date"])
        if full != rule:
            assert abs(full - rule) == 1
            if min(full, rule) < 65 <= max(full, rule):
                return "turns 65"
            # Twice there: before and after, and the same but for the age.
            if alike == 2 and float(row.get("age_years", full)) in (full, rule):
                return "age"
        # Of a person of another age too: a visit has no age, and so differs by its day alone.
        return "first day" if row["person_id"] in self._late else "unexplained"


def without_age(columns, row):
    return tuple(cell for name, cell in zip(columns, row, strict=True) if not name.startswith("age_"))


def late_people(world):
    """People with a line without a day of its own on a claim over several days, or with a line over several days."""
    lines = world.table("ccw", "carrier_line")
    late = set(lines.loc[lines["LINE_1ST_EXPNS_DT"] != lines["LINE_LAST_EXPNS_DT"], "BENE_ID"])
    base, lines = world.table("ccw", "outpatient_base"), world.table("ccw", "outpatient_revenue")
    spans = set(base.loc[base["CLM_FROM_DT"] != base["CLM_THRU_DT"], "CLM_ID"])
    return late | set(lines.loc[lines["REV_CNTR_DT"].isna() & lines["CLM_ID"].isin(spans), "BENE_ID"])


def age(born, day):
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))
