"""Patients of a user's own: drafts, messages, results as table, JSON, Markdown and page."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from riskstd.cli import app
from riskstd.errors import OptionError, PatientFileError
from riskstd.pipeline.assurance import Assurance, assure
from riskstd.pipeline.assurance.draft import draft_patients
from riskstd.pipeline.assurance.page import BEGIN, END, patients_by_clause, replaced
from riskstd.pipeline.assurance.patients import promise_of
from riskstd.pipeline.assurance.people import persons_of
from riskstd.pipeline.assurance.words import as_markdown
from riskstd.spec import load_measure
from riskstd.spec.codetables import DATA
from spec.run import FILES, MEASURES

ROOT = Path(__file__).parents[2]
SPINE = ROOT / "data" / "examples" / "spine" / "measures" / "spine-90.toml"
HEAD = 'schema = 1\nmeasures = ["ASC-18"]\n[index]\ndate = 2024-03-15\n[codes.index]\n"ASC-18" = "52310"\n'
ED = 'clause = "outcome"\noutpatient_lines = """\nline_date  revenue_code\n+7         0450\n"""\n'


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.toml"
    file.write_text(HEAD + text, "utf-8")
    return file


def run(*words: object):
    return CliRunner().invoke(app, ["assure", *map(str, words)])


@pytest.mark.parametrize("measure", [*MEASURES, str(SPINE)])
def test_a_draft_passes_for_its_measure(measure: str, tmp_path: Path) -> None:
    loaded = load_measure(measure)
    file = tmp_path / "draft.toml"
    file.write_text(draft_patients(loaded), "utf-8")
    found = assure([file], [loaded])
    assert len(found.verdicts) >= 6
    assert [(verdict.patient, verdict.reasons) for verdict in found.failed] == []


def test_the_command_drafts_runs_and_says_what_fails(tmp_path: Path) -> None:
    file = tmp_path / "draft.toml"
    assert run("--new", file, "--measure", "ASC-18").exit_code == 0
    changed = tmp_path / "changed.toml"
    text = (DATA / "ascqr" / "2025" / "asc-18.toml").read_text("utf-8")
    assert text.count("last_day = 7") > 1
    changed.write_text(text.replace("first_day = 0\nlast_day = 7", "first_day = 0\nlast_day = 6"), "utf-8")
    done = run(file, "--measure", changed)
    assert done.exit_code == 1
    assert "patient visit_on_the_last_day: A visit on the last day of the window counts." in done.stdout
    assert "outcome 1 expected, found 0 (visits found: none)" in done.stdout
    assert "FAILS" in done.stdout
    assert "8 of 9 patients as expected" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "no patient file"),
        (("x.toml", "--format", "xml"), "--format cannot be"),
        (("--new", "x.toml"), "--new needs one measure"),
    ],
)
def test_the_command_refuses(words: tuple[str, ...], message: str) -> None:
    done = run(*words)
    assert isinstance(done.exception, OptionError)
    assert message in str(done.exception)


def found_for(folder: Path, text: str) -> Assurance:
    return assure([written(folder, text)])


def test_every_form_holds_the_same_verdicts(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        f'[patient.mrs_miller]\nsays = "Seen on day 7."\n{ED}expect = {{ outcome = 1, visits = ["ed 7"] }}\n'
        f'[patient.visit_wrong]\nsays = "Day 7, read as day 6."\n{ED}expect = {{ visits = ["ed 6"] }}\n'
        '[patient.in_wrong_clause]\nsays = "Names a clause that is not there."\nclause = "cohort.code"\n',
    )
    found = assure([file])
    assert [verdict.passes for verdict in found.verdicts] == [True, False, False]
    assert found.verdicts[1].failures == ("visits expected: ed 6; found: ed 7",)
    assert "did you mean cohort.codes?" in found.verdicts[2].unknown_clauses[0]
    assert "cohort.codes" in found.untested["ASC-18"]
    assert "outcome" not in found.untested["ASC-18"]
    assert "| mrs_miller | Seen on day 7. | outcome 1; visits: ed 7 | as expected |" in as_markdown(found)
    printed = run(file, "--format", "json")
    assert printed.exit_code == 1
    content = json.loads(printed.stdout)
    assert (content["patients"], content["failed"]) == (3, 2)
    assert [verdict["patient"] for verdict in content["verdicts"]] == ["mrs_miller", "visit_wrong", "in_wrong_clause"]
    assert as_markdown(assure([file])) == as_markdown(found)


def test_each_makes_one_patient_for_each_value(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        '[patient.visit_x]\nsays = "Both codes show a visit."\nclause = "outcome"\n'
        'each = { code = ["0450", "0981"], day = ["+1", "+2"] }\n'
        'outpatient_lines = """\nline_date  revenue_code\n<day>  <code>\n"""\n',
    )
    persons = persons_of([file], "ASC-18")
    assert [person.title for person in persons] == [
        "visit_x (code = 0450, day = +1)",
        "visit_x (code = 0981, day = +2)",
    ]
    assert [person.rows()["outpatient_lines"][0]["revenue_code"] for person in persons] == ["0450", "0981"]


@pytest.mark.parametrize(
    ("setting", "table", "code_column"),
    [
        ("surgeon", "professional_lines", "hcpcs"),
        ("outpatient", "outpatient_lines", "hcpcs"),
        ("inpatient", "procedures", "code"),
    ],
)
def test_the_usual_procedure_lies_where_its_setting_looks(
    tmp_path: Path, setting: str, table: str, code_column: str
) -> None:
    text = HEAD.replace("[codes", f'setting = "{setting}"\n[codes')
    file = tmp_path / "mine.toml"
    file.write_text(text + '[patient.in_x]\nsays = "The usual one."\nclause = "cohort.codes"\n', "utf-8")
    (person,) = persons_of([file], "ASC-18")
    (row,) = person.rows()[table]
    assert row[code_column] == "52310"
    assert len(person.rows()["inpatient_claims"]) == (setting == "inpatient")


IN = '[patient.in_x]\nsays = "says something"\nclause = "risk"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            IN + 'outpatient_lines = """\nline_date  revenue_code\n7  0450\n"""',
            "mine.toml, patient in_x: table outpatient_lines, row 1: column line_date: '7' is no day",
        ),
        (
            IN + 'diagnoses = """\nservice_date  code  icd_version\n0  I10  10\n0  I10  ten\n"""',
            "table diagnoses, row 2: column icd_version: 'ten' is not a whole number",
        ),
        (IN + 'people = """\nsex\nf\n"""', "table people, row 1: column sex: 'f' is not one of male, female"),
        (IN + 'enrollment = """\nmonth\nlast\n"""', "table enrollment, row 1, column month: 'last' is not"),
        (
            IN + 'procedures = """\nclaim_id  code\nI7  0TY00Z0\n"""',
            "column claim_id: no inpatient claim 'I7'; there is none",
        ),
        (IN + 'options = { carrier_ed = "maybe" }', "patient in_x: ASC-18: option 'carrier_ed' cannot be 'maybe'"),
        (IN + 'each = { a = ["1", "2"], b = ["1"] }', "the lists of each must have one length"),
        ('[patient.x]\nsays = "says something"\nclause = "risk"', "patient.x: nothing is expected"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PatientFileError) as raised:
        found_for(tmp_path, text)
    assert message in str(raised.value)


def test_a_measure_without_patients_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PatientFileError, match=r"no patient for ASC-17 in mine\.toml") as raised:
        assure([written(tmp_path, IN)], ["ASC-17"])
    assert "ASC-18" in str(raised.value)


def test_names_promise() -> None:
    assert [promise_of(name) for name in ("in_x", "no_factor_x", "index", "visit")] == ["in", "no_factor", "", ""]


def test_a_page_keeps_what_is_around_the_patients() -> None:
    assert replaced(f"a\n{BEGIN}\nold\n{END}\nb\n", "new", "p.md") == f"a\n{BEGIN}\n\nnew\n\n{END}\nb\n"
    with pytest.raises(OptionError, match=r"p\.md does not have the marks"):
        replaced("a\n", "new", "p.md")


def test_the_page_measure_logic_shows_the_patients_of_these_tests() -> None:
    """Written anew by `riskstd --definitions '' assure tests/spec/patients/*.toml --page docs/measure-logic.md`."""
    text = (ROOT / "docs" / "measure-logic.md").read_text("utf-8")
    measures = [load_measure(measure, definitions=None) for measure in MEASURES]
    assert replaced(text, patients_by_clause(FILES, measures), "measure-logic.md") == text


def test_the_commands_of_the_page_run_in_order(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "assure.md").read_text("utf-8")
    script = "\n".join(re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL))
    python = shlex.quote(sys.executable)
    head = f'set -e\nriskstd() {{ {python} -W ignore -m riskstd.cli "$@"; }}\npython() {{ {python} "$@"; }}\n'
    done = subprocess.run(
        ["bash", "-c", head + script], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (shown,) = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert shown in (tmp_path / "result.txt").read_text("utf-8")
