"""Planted defects: each is found, with its place and its mend, and the shipped definitions have none."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path

import pytest

from riskstd.pipeline.spec_check import check_definitions
from riskstd.spec.checking import DEFECT, OPEN, WARNING, Finding
from riskstd.spec.codetables import DATA, INDEX, TABLE_COLUMNS

ASCQR = DATA / "ascqr" / "2025"


class Planted:
    """A copy of a definition in a definition folder of one's own, changed, with tables of one's own."""

    def __init__(self, folder: Path, measure: str) -> None:
        self.folder = folder
        (folder / "tables").mkdir(parents=True)
        (folder / "tables" / "index.toml").write_text("", "utf-8")
        self.file = folder / "mine.toml"
        self.file.write_text((ASCQR / f"{measure}.toml").read_text("utf-8"), "utf-8")

    def change(self, before: str, after: str, times: int = 1) -> Planted:
        text = self.file.read_text("utf-8")
        assert before in text
        self.file.write_text(text.replace(before, after, times), "utf-8")
        return self

    def add(self, text: str) -> Planted:
        self.file.write_text(self.file.read_text("utf-8") + text, "utf-8")
        return self

    def own_table(self, name: str, change: dict[str, str] | None = None, rows: tuple[str, ...] = ()) -> Planted:
        """Put a copy of a table of the project, changed, in its place."""
        entry = dict(tomllib.loads(INDEX.read_text("utf-8"))[name])
        text = (INDEX.parent / entry["file"]).read_text("utf-8").replace("cms_public", "reconstructed")
        for before, after in (change or {}).items():
            assert before in text
            text = text.replace(before, after, 1)
        return self._write(name, entry | {"origin": "reconstructed"}, text + "".join(f"{row}\n" for row in rows))

    def code_list(self, name: str, stands_for: str, system: str, rows: list[tuple[str, str, str]]) -> Planted:
        """Put a list of the codes of a system into the folder: role, codes, years."""
        header = ",".join(TABLE_COLUMNS["code_list"])
        lines = [f"{role},{system},{codes},{years},assumed,C,own: test" for role, codes, years in rows]
        entry = {"file": f"{name}.csv", "kind": "code_list", "system": system, "version": "test", "says": "Test list."}
        entry |= {"source": "own", "origin": "assumed", "grade": "C", "stands_for": stands_for}
        return self._write(name, entry, "\n".join([header, *lines]) + "\n")

    def _write(self, name: str, entry: dict[str, str], text: str) -> Planted:
        index = self.folder / "tables" / "index.toml"
        keys = "".join(f"{key} = {_quoted(value)}\n" for key, value in entry.items())
        index.write_text(index.read_text("utf-8") + f"[{name}]\n{keys}", "utf-8")
        (self.folder / "tables" / entry["file"]).write_text(text, "utf-8")
        return self

    def findings(self) -> list[Finding]:
        (checked,) = check_definitions([self.file], definitions=self.folder)
        return list(checked.findings)

    def finding(self, place: str, level: str = DEFECT) -> Finding:
        """Return the one finding of a level, which must be at a place and say what to do."""
        found = [finding for finding in self.findings() if finding.level == level]
        assert [finding.place for finding in found] == [place], found
        assert len(found[0].mend) > 5
        return found[0]


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.fixture
def asc_12(tmp_path) -> Planted:
    return Planted(tmp_path / "mine", "asc-12")


@pytest.fixture
def asc_19(tmp_path) -> Planted:
    return Planted(tmp_path / "mine", "asc-19")


# ---- nothing planted --------------------------------------------------------------------------


def test_shipped_definitions_pass():
    checked = check_definitions(definitions=None)
    assert [one.file for one in checked] == ["asc-12.toml", "asc-17.toml", "asc-18.toml", "asc-19.toml"]
    assert [one.defects for one in checked] == [()] * 4
    assert all(one.clauses > 50 and one.tables > 5 for one in checked)
    assert not [finding for one in checked for finding in one.findings if finding.level == OPEN]


def test_copies_pass_as_well(asc_12, tmp_path):
    assert [finding for finding in asc_12.findings() if finding.level == DEFECT] == []
    own = Planted(tmp_path / "other", "asc-12").own_table("colonoscopy_codes").own_table("planned_admission_ry2024")
    assert [finding for finding in own.findings() if finding.level == DEFECT] == []


# ---- schema and references --------------------------------------------------------------------


def test_unknown_key(asc_12):
    finding = asc_12.change("age_years = 65", "age_years = 65\ncolour = 1").finding(
        "cohort.exclusions.4.age_below.colour"
    )
    assert finding.found == "unknown key"
    assert "take it out" in finding.mend


def test_rule_without_implementation(asc_12):
    finding = asc_12.change('rule = "age_below"', 'rule = "age_above"').finding("cohort.exclusions.4")
    assert finding.found == "rule or kind without an implementation"


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ('code_system = "hcpcs"\ncodes = ["99281"', 'code_system = "revenue"\ncodes = ["99281"'),
        ('id = "ed_professional"', 'id = "ed_professional"\nbill_types = ["13"]'),
    ],
)
def test_professional_lines_asked_for_what_only_hospitals_have(asc_12, text, instead):
    (finding,) = asc_12.change(text, instead).findings()
    assert finding.place.startswith("outcome.visits.")
    assert "professional lines have no bill types and no revenue codes" in f"{finding.found} {finding.mend}"


def test_source_that_is_not_listed(asc_12):
    finding = asc_12.change('source = "hwr_sas; use here inferred"', 'source = "textbook p. 3"').finding(
        "options.complication_of_care.source"
    )
    assert "key of [sources]" in finding.found


def test_option_that_does_not_exist(asc_12):
    finding = asc_12.change('option = "carrier_ed"', 'option = "carrier_er"').finding(
        "outcome.visits[ed_professional].when.option"
    )
    assert "carrier_er" in finding.found


def test_table_and_role_that_do_not_exist(asc_12):
    asc_12.change('table = "colonoscopy_codes"\nrole = "qualifying"', 'table = "colonoscopies"\nrole = "qualifying"')
    asc_12.change('role = "polypectomy"', 'role = "polyp"')
    places = {finding.place: finding for finding in asc_12.findings()}
    assert set(places) == {"cohort.codes.table", "risk.factors[polypectomy].role"}
    assert "correct the name" in places["cohort.codes.table"].mend


# ---- options ----------------------------------------------------------------------------------


def test_option_without_effect(asc_12):
    asc_12.change(
        "[options.psychiatric]",
        '[options.colour]\ndefault = "red"\nchoices = ["red", "blue"]\nsays = "Which colour."\nsource = "own"\n'
        'origin = "assumed"\n\n[options.psychiatric]',
    )
    assert "no effect" in asc_12.finding("options.colour").found


def test_values_of_an_option_that_do_the_same(asc_12):
    asc_12.change('choices = ["narrow", "broad"]', 'choices = ["narrow", "broad", "wide", "widest"]')
    assert "wide, widest" in asc_12.finding("options.psychiatric.choices").found


def test_option_that_leaves_no_scale(asc_19):
    asc_19.change('choices = ["ratio", "percent"]', 'choices = ["ratio", "percent", "per_1000"]')
    assert asc_19.finding("score.scale").found == "0 scales hold with scale = per_1000, one is needed"


def test_years_of_admission_with_a_gap(asc_12):
    asc_12.change('admission_years = "2022-"', 'admission_years = "2023-"')
    found = asc_12.finding("planned_admission.tables").found
    assert found == "no version holds for admissions of 2022 with planned_admission_tables = admission_year"


def test_two_clauses_of_one_name(asc_12):
    asc_12.change('when = { option = "psychiatric", is_in = ["broad"] }', "")
    assert "2 clauses of this name" in asc_12.finding("risk.factors[psychiatric]").found


def test_interaction_with_a_factor_that_does_not_hold(asc_12):
    asc_12.change('name = "arrhythmia"', 'when = { option = "psychiatric", is_in = ["narrow"] }\nname = "arrhythmia"')
    assert "arrhythmia does not hold" in asc_12.finding("risk.factors[age_x_arrhythmia].factors").found


# ---- how codes are written --------------------------------------------------------------------


def test_revenue_code_without_its_zero(asc_12):
    finding = asc_12.change('codes = ["0762"]', 'codes = ["762"]').finding("outcome.visits[observation_revenue].codes")
    assert finding.found == "not codes of revenue: 762"
    assert "zero in front" in finding.mend


def test_letter_o_in_a_procedure_code(asc_12):
    asc_12.own_table("planned_admission_ry2021", {"021608P": "O21608P"})
    finding = asc_12.finding("tables/planned_admission_ry2021.csv, line 5")
    assert "O21608P" in finding.found


def test_code_listed_twice_in_years_that_meet(asc_12):
    asc_12.own_table("colonoscopy_codes", rows=("qualifying,HCPCS,45385,2020-2022,assumed,C,own: test",))
    finding = asc_12.finding("tables/colonoscopy_codes.csv, lines 2 and 20")
    assert finding.found == "listed twice: 45385"


def test_list_that_no_rule_reads(asc_12):
    asc_12.own_table("planned_admission_ry2024", rows=("PA5,diagnosis_category,10,assumed,C,own: test",))
    assert "PA5" in asc_12.finding("tables/planned_admission_ry2024.csv, line 347").found


def test_category_that_the_map_does_not_have(asc_12):
    asc_12.own_table("planned_admission_ry2021", {"64 105 176": "64 105 999"})
    finding = asc_12.finding("tables/planned_admission_ry2021.csv, line 2")
    assert "999" in finding.found
    assert "riskstd import ccs" in finding.mend


def test_condition_category_outside_the_numbering(asc_12):
    assert (
        "V22 has no category 285"
        in asc_12.change("categories = [85]", "categories = [285]")
        .finding("risk.factors[heart_failure].categories")
        .found
    )


def test_factor_of_categories_without_any_code(asc_12):
    found = asc_12.change("categories = [49]", "categories = [133]").finding(
        "risk.factors[iron_deficiency_anemia].categories"
    )
    assert "always 0" in found.found


# ---- overlaps ---------------------------------------------------------------------------------


def test_code_that_qualifies_and_excludes(asc_12):
    asc_12.own_table("colonoscopy_codes", rows=("high_risk_colonoscopy,HCPCS,45380,2022,assumed,C,own: test",))
    finding = asc_12.finding("cohort.exclusions[high_risk_colonoscopy]")
    assert finding.found.startswith("1 code(s) qualify by cohort.codes and exclude by this clause: 45380")


def test_code_of_two_visit_types(asc_12):
    asc_12.change('codes = ["0762"]', 'codes = ["0762", "0450"]')
    finding = asc_12.finding("outcome.visits[observation_revenue].codes")
    assert finding.found == "listed as ed and observation here and in outcome.visits[ed_revenue]: 0450"


def test_code_of_two_procedure_types(asc_19):
    asc_19.own_table("general_surgery_types", rows=("breast,HCPCS,38120,,assumed,C,own: test",))
    assert "38120" in asc_19.finding("risk.factors[procedure_type]").found


def test_planned_category_that_an_earlier_list_decides(asc_12):
    asc_12.own_table("planned_admission_ry2021", {"PA4,diagnosis_category,2 3": "PA4,diagnosis_category,2 3 45"})
    finding = next(f for f in asc_12.findings() if f.level == DEFECT)
    assert "in PA2, which decides first, and in PA4: 45" in finding.found


def test_single_code_of_a_listed_category(asc_12):
    asc_12.own_table("planned_admission_ry2024", rows=("PA4,diagnosis_code,T8451XA,assumed,C,own: test",))
    finding = asc_12.finding("tables/planned_admission_ry2024.csv, line 347")
    assert "a listed category holds already: T8451XA" in finding.found


# ---- clauses that never decide ----------------------------------------------------------------


def test_exclusion_behind_another(asc_12):
    asc_12.change(
        '[[cohort.exclusions]]\nid = "not_enrolled_before"',
        '[[cohort.exclusions]]\nid = "under_60"\nrule = "age_below"\nage_years = 60\nsays = "Younger than 60."\n'
        'source = "own"\norigin = "assumed"\n\n[[cohort.exclusions]]\nid = "not_enrolled_before"',
    )
    assert "age_under_65] comes first" in asc_12.finding("cohort.exclusions[under_60]").found


def test_diagnoses_that_are_a_part_of_those_before(asc_12):
    asc_12.own_table("colonoscopy_diagnoses", rows=("crohn,ICD-10-CM,K500* K5010,,assumed,C,own: test",))
    asc_12.change(
        '[[cohort.exclusions]]\nid = "followed_by_colonoscopy"',
        '[[cohort.exclusions]]\nid = "crohn"\nrule = "diagnosis_present"\ntable = "colonoscopy_diagnoses"\n'
        'role = "crohn"\nhistory_days = 100\nindex_day = true\nvisit_in_window = false\nsays = "Crohn\'s disease."\n'
        'source = "own"\norigin = "assumed"\n\n[[cohort.exclusions]]\nid = "followed_by_colonoscopy"',
    )
    places = [f.place for f in asc_12.findings() if f.level == DEFECT]
    assert "cohort.exclusions[crohn]" in places


def test_window_that_holds_no_day(asc_12):
    days = "history_days = 365\nindex_day = true\nvisit_in_window = true"
    asc_12.change(days, "history_days = 0\nindex_day = false\nvisit_in_window = false")
    assert "looks at no day" in asc_12.finding("cohort.exclusions[inflammatory_bowel_disease]").found


def test_window_longer_than_people_are_seen(asc_12):
    finding = asc_12.change("first_day = 0\nlast_day = 7", "first_day = 0\nlast_day = 30").finding(
        "cohort.exclusions[not_enrolled_after].last_day"
    )
    assert finding.mend == "set last_day to 30"


def test_row_of_years_that_never_come(asc_19):
    asc_19.own_table("general_surgery_types", rows=("skin,HCPCS,10040,-2019,assumed,C,own: test",))
    asc_19.change(
        '[[risk.factors]]\nname = "work_rvu"',
        '[[risk.factors]]\nname = "acne"\nlabel = "Acne surgery"\nkind = "same_day_code"\n'
        'table = "general_surgery_types"\nrole = "skin"\nsays = "Skin surgery on the day."\nsource = "own"\n'
        'origin = "assumed"\n\n[[risk.factors]]\nname = "work_rvu"',
    )
    finding = asc_19.finding("tables/general_surgery_types.csv, line 9")
    assert "years -2019 never come" in finding.found


def test_visit_codes_that_ended_before_any_procedure(asc_19):
    asc_19.change("valid_to = 2022-12-31", "valid_to = 2012-12-31")
    assert "before any procedure" in asc_19.finding("outcome.visits[observation_professional].valid_to").found


def test_age_class_that_nobody_is_in(asc_12):
    found = asc_12.change("lower_bounds = [65, 70, 75, 80, 85]", "lower_bounds = [50, 65, 75, 80, 85]")
    assert "nobody is in the class from 50" in found.finding("risk.factors[age].lower_bounds").found


def test_ages_that_are_in_no_class(asc_12):
    asc_12.change("age_years = 65", "age_years = 50")
    assert "from 50 to 64 are in no class" in asc_12.finding("risk.factors[age].lower_bounds").found


def test_factor_that_an_exclusion_keeps_at_0(asc_12):
    asc_12.change('role = "upper_gi_endoscopy"', 'role = "high_risk_upper_gi_endoscopy"')
    assert "always 0" in asc_12.finding("risk.factors[upper_gi_endoscopy]").found


def test_factor_under_two_names(asc_12):
    asc_12.change("categories = [114, 115, 116]", "categories = [85]")
    assert "the same as risk.factors[heart_failure]" in asc_12.finding("risk.factors[pneumonia]").found


def test_look_back_longer_than_enrollment_is_a_warning(asc_12):
    asc_12.change("[risk]\nhistory_days = 365", "[risk]\nhistory_days = 730")
    found = asc_12.finding("cohort.exclusions[not_enrolled_before].months", WARNING)
    assert found.mend.startswith("set months to 24")


# ---- codes and the code systems of the years --------------------------------------------------


def test_code_that_the_year_does_not_have(asc_12):
    asc_12.own_table("colonoscopy_diagnoses", rows=("diverticulitis,ICD-10-CM,K5799,2024,assumed,C,own: test",))
    finding = asc_12.finding("tables/colonoscopy_diagnoses.csv, line 7")
    assert finding.found == "not in ICD-10-CM of fiscal year 2024: K5799"
    assert "import the code list" in finding.mend


def test_code_that_some_other_year_may_have_is_a_warning(asc_12):
    asc_12.own_table("colonoscopy_diagnoses", rows=("diverticulitis,ICD-10-CM,K5799,,assumed,C,own: test",))
    assert "K5799" in asc_12.finding("tables/colonoscopy_diagnoses.csv, line 7", WARNING).found


def test_heading_in_place_of_codes(asc_12):
    asc_12.own_table("colonoscopy_diagnoses", rows=("diverticulitis,ICD-10-CM,K572,,assumed,C,own: test",))
    finding = asc_12.finding("tables/colonoscopy_diagnoses.csv, line 7")
    assert finding.mend == "write K572* for all codes below it"


def test_codes_of_a_heading_that_a_list_misses(asc_12):
    role = 'role = "inflammatory_bowel_disease"'
    asc_12.change(role, role + '\ntakes_all_of = ["K50*", "K52*"]')
    finding = asc_12.finding("cohort.exclusions[inflammatory_bowel_disease].takes_all_of")
    assert finding.found.startswith("14 code(s) of K52* in fiscal year 2024 are not listed: K520, K521")
    assert "colonoscopy_diagnoses.csv" in finding.mend


def test_codes_of_a_category_that_a_list_misses(asc_12):
    asc_12.change('role = "diverticulitis"', 'role = "diverticulitis"\ntakes_all_of = ["ccs_diagnoses:146"]')
    found = asc_12.finding("cohort.exclusions[diverticulitis].takes_all_of").found
    assert re.search(r"\d+ code\(s\) of ccs_diagnoses:146 in fiscal year 2024 are not listed", found)


def test_imported_code_lists_take_part(asc_12):
    """A list of fiscal year 2025 beside the project's of 2024 knows the codes of October 2024."""
    row = ("diverticulitis,ICD-10-CM,E66813,2025,assumed,C,own: test",)
    asc_12.own_table("colonoscopy_diagnoses", rows=row)
    assert not [f for f in asc_12.findings() if f.level in {DEFECT, WARNING}]
    asc_12.code_list("icd10cm_codes_2025", "icd10cm_codes", "ICD-10-CM", [("billable", "K5790 K5791", "2025")])
    found = asc_12.finding("tables/colonoscopy_diagnoses.csv, line 7").found
    assert found == "not in ICD-10-CM of fiscal year 2025: E66813"


# ---- open places, and the rest ----------------------------------------------------------------


def test_open_places_are_told_and_do_not_fail(asc_12):
    asc_12.change('says = "The patient is younger than 65', 'says = "OPEN: The patient is younger than 65')
    assert "left open" in asc_12.finding("cohort.exclusions[age_under_65].says", OPEN).found
    assert not [f for f in asc_12.findings() if f.level == DEFECT]


def test_every_defect_has_a_place_and_a_mend(asc_12):
    asc_12.change("age_years = 65", "age_years = 50").change('codes = ["0762"]', 'codes = ["762"]')
    found = [f for f in asc_12.findings() if f.level == DEFECT]
    assert len(found) == 2
    assert all(f.place and f.found and f.mend for f in found)


def test_category_sizes_of_the_note_on_codes_newer_than_the_map(asc_12):
    (note,) = [f for f in asc_12.findings() if "ccs_diagnoses" in f.place]
    with (INDEX.parent / "icd10cm_codes.csv").open(encoding="utf-8") as file:
        assert sum(len(row["codes"]) for row in csv.DictReader(file)) > 400_000
    assert note.found.startswith("469 of 74,044 codes")
