"""A trace tells everything its verdict follows from; it says what is missing, and refuses what it may not show."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
import recompute

import riskstd
from riskstd.errors import InputError, OptionError
from riskstd.pipeline.trace import Tracer, trace_procedure
from riskstd.pipeline.tracing.page import trace_page
from riskstd.pipeline.tracing.reverse import cases_of_clause
from riskstd.pipeline.tracing.words import as_text
from riskstd.synth import synthesize

MEASURES = ("asc-12", "asc-17", "asc-18", "asc-19")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("traced")
    synthesize(folder, facilities=6, procedures=240, seed=3)
    riskstd.run_measures([m.upper() for m in MEASURES], claims=folder / "claims", out=folder / "runs", interval="none")
    return folder / "runs"


def rows(run, name):
    return pq.read_table(run / f"{name}.parquet").to_pylist()


def by_procedure(table):
    found = {}
    for row in table:
        found.setdefault(row["procedure_id"], []).append(row)
    return found


def recomputed_as_run(run):
    """Recompute every case of a run from the JSON of its trace alone; return how many of each kind."""
    tracer = Tracer.open(run)
    visits, outcomes = by_procedure(rows(run, "hospital_visits")), by_procedure(rows(run, "outcomes"))
    risk = by_procedure(rows(run, "risk_factors"))
    index, excluded = rows(run, "index_procedures"), rows(run, "excluded_procedures")
    for row in [*index, *excluded]:
        procedure = row["procedure_id"]
        trace = json.loads(json.dumps(tracer.trace(procedure).content))
        assert recompute.cohort(trace) == row.get("excluded_by"), procedure
        if "excluded_by" in row:
            assert trace["visits"] == trace["risk_factors"] == []
            continue
        names = ("visit_type", "days_after", "planned", "planned_rule", "counted")
        of_run = sorted(tuple(visit[name] for name in names) for visit in visits.get(procedure, []))
        found = recompute.visits(trace)
        assert sorted(found) == of_run, procedure
        assert int(any(counted for *_, counted in found)) == outcomes[procedure][0]["outcome"], procedure
        assert {"procedure_id": procedure, **recompute.factors(trace)} == risk[procedure][0], procedure
    return len(index), len(excluded), sum(map(len, visits.values()))


@pytest.mark.parametrize("measure", MEASURES)
def test_the_trace_alone_gives_the_verdict_of_every_case(runs, measure):
    index, excluded, visits = recomputed_as_run(runs / measure)
    assert index > 20
    assert excluded > 5
    assert visits > 5


@pytest.fixture(scope="module")
def demo_runs(tmp_path_factory):
    from riskstd.pipeline.demo import run_demo

    folder = tmp_path_factory.mktemp("demo")
    run_demo(folder, n_bootstrap=20)
    return folder / "runs"


@pytest.mark.slow
@pytest.mark.parametrize("measure", MEASURES)
def test_the_trace_alone_gives_the_verdict_of_every_case_of_the_demo(demo_runs, measure):
    index, excluded, _ = recomputed_as_run(demo_runs / measure)
    assert index > 5000
    assert excluded > 400


def changed(content, part, rule, key, value):
    copied = json.loads(json.dumps(content))
    for decision in copied[part]:
        if decision["rule"] == rule:
            decision["parameters"][key] = value
    return copied


def test_the_evaluator_does_not_just_repeat_the_answers(runs):
    """Without answers it comes to the same verdict; with another bound it comes to another."""
    run = runs / "asc-18"
    row = rows(run, "index_procedures")[0]
    content = trace_procedure(run, row["procedure_id"]).content
    blind = copy.deepcopy(content)
    for decision in blind["exclusions"]:
        decision["answer"] = None
    assert recompute.cohort(json.loads(json.dumps(blind))) is None
    assert recompute.cohort(changed(content, "exclusions", "age_below", "age_years", 120)) == "age_under_65"
    assert (
        recompute.cohort(changed(content, "exclusions", "not_enrolled_before", "buy_in", [])) == "not_enrolled_before"
    )


def test_every_decision_has_its_clause_and_source(runs):
    run = runs / "asc-12"
    content = trace_procedure(run, rows(run, "index_procedures")[0]["procedure_id"]).content
    measure = riskstd.load_measure("ASC-12")
    clauses = dict(measure.active_clauses())
    asked = [d for part in ("candidate", "exclusions", "risk_rules", "risk_factors") for d in content[part]]
    assert [d["clause"] for d in content["exclusions"]] == [f"cohort.exclusions[{c.id}]" for c in measure.exclusions]
    assert len(content["risk_factors"]) == len(measure.factors)
    for decision in asked:
        assert (decision["says"], decision["source"]) == (
            clauses[decision["clause"]].says,
            clauses[decision["clause"]].source,
        )
    cited = {line for decision in asked for line in decision["lines"]}
    assert cited <= {line["line"] for line in content["lines"]}
    assert cited


def test_the_carriers_of_a_factor_are_its_claim_lines(runs):
    run = runs / "asc-12"
    factor = "arrhythmia"
    case = next(row for row in rows(run, "risk_factors") if row[factor])
    content = trace_procedure(run, case["procedure_id"]).content
    decision = next(d for d in content["risk_factors"] if d["clause"] == f"risk.factors[{factor}]")
    lines = {line["line"]: line for line in content["lines"]}
    assert decision["lines"]
    for carried in decision["found"]["carried_by"]:
        line = lines[carried["line"]]
        assert (line["table"], line["code"], -line["days_after"]) == (
            "diagnoses",
            carried["code"],
            carried["days_before"],
        )
        assert set(carried["categories"]) & set(decision["parameters"]["categories"])


def test_text_and_page_say_verdict_rule_and_line(runs):
    run = runs / "asc-18"
    row = next(r for r in rows(run, "excluded_procedures") if r["excluded_by"] == "age_under_65")
    content = trace_procedure(run, row["procedure_id"]).content
    text, page = as_text(content), trace_page(content)
    for words in ("Excluded by age_under_65", "cohort.exclusions[age_under_65]", row["claim_id"]):
        assert words in text
        assert words in page
    assert "http" not in page.partition("</style>")[0]
    assert page == trace_page(content)


@pytest.mark.parametrize("name", ["person_id", "person_key"])
def test_no_trace_names_the_person(runs, name):
    run = runs / "asc-18"
    row = rows(run, "index_procedures")[0]
    content = trace_procedure(run, row["procedure_id"]).content
    assert name not in json.dumps(content)
    assert row["person_id"] not in json.dumps(content)
    assert row["person_id"] not in as_text(content) + trace_page(content)


def test_a_visit_says_what_showed_it(runs):
    run = runs / "asc-18"
    visit = next(v for v in rows(run, "hospital_visits") if v["visit_type"] == "ed" and v["counted"])
    content = trace_procedure(run, visit["procedure_id"]).content
    shown = next(v for v in content["visits"] if v["claim_id"] == visit["claim_id"])
    assert [d["clause"] for d in shown["shown_by"]] == ["outcome.visits[ed_revenue]"]
    assert any(line["claim_id"] == visit["claim_id"] for line in content["lines"] if line["line"] in shown["lines"])


@pytest.fixture
def alone(runs, tmp_path):
    """A run without its claims tables."""
    shutil.copytree(runs / "asc-18", tmp_path / "asc-18")
    path = tmp_path / "asc-18" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["claims"]["tables"] = None
    path.write_text(json.dumps(manifest))
    return tmp_path / "asc-18"


def test_without_claims_tables_the_run_tells_what_it_kept(alone):
    excluded, visit = rows(alone, "excluded_procedures")[0], rows(alone, "hospital_visits")[0]
    found = trace_procedure(alone, excluded["procedure_id"])
    assert found.verdict == f"excluded by {excluded['excluded_by']}"
    assert "claims tables of this run are not there" in found.missing[0]
    assert [d["clause"] for d in found.content["exclusions"]] == [f"cohort.exclusions[{excluded['excluded_by']}]"]
    assert found.content["lines"] == []
    assert "Missing: The claims tables" in as_text(found.content)
    kept = trace_procedure(alone, visit["procedure_id"]).content
    assert visit["planned_rule"] in [v["planned_rule"] for v in kept["visits"]]
    values = {name: value for d in kept["risk_factors"] for name, value in d["answer"].items()}
    assert values == {k: v for k, v in rows_of(alone, "risk_factors", visit).items() if k != "procedure_id"}
    assert "Missing" in trace_page(kept)


def rows_of(run, name, of):
    return next(row for row in rows(run, name) if row["procedure_id"] == of["procedure_id"])


def test_claims_tables_of_other_files_are_not_taken_for_those_of_the_run(runs, alone):
    shutil.copytree(runs / "claims", alone.parent / "claims")
    path = alone.parent / "claims" / "claims.json"
    about = json.loads(path.read_text())
    about["inputs"] = []
    path.write_text(json.dumps(about))
    found = trace_procedure(alone, rows(alone, "index_procedures")[0]["procedure_id"])
    assert "of other claim files" in found.missing[0]


def test_claims_that_give_another_verdict_are_refused_without_saying_a_value(runs):
    run = runs / "asc-18"
    row = rows(run, "index_procedures")[0]
    tracer = Tracer.open(run)

    class Without:
        def person(self, person_id):
            claims = tracer.source.person(person_id)
            return type(claims)({**claims.tables, "enrollment": []}, claims.absent)

    with pytest.raises(InputError, match="the exclusion") as caught:
        Tracer(tracer.record, Without()).trace(row["procedure_id"])
    assert row["person_id"] not in str(caught.value)
    assert str(row["procedure_date"]) not in str(caught.value)


def test_claims_given_in_memory_give_the_same_trace(runs):
    run = runs / "asc-18"
    procedure = rows(run, "index_procedures")[0]["procedure_id"]
    claims = riskstd.Claims.from_folder(runs / "claims")
    assert trace_procedure(run, procedure, claims=claims).content == trace_procedure(run, procedure).content


def test_public_is_refused(runs):
    for ask in (
        lambda: trace_procedure(runs / "asc-18", 1, profile="public"),
        lambda: cases_of_clause(runs / "asc-18", "age_under_65", profile="public"),
    ):
        with pytest.raises(OptionError, match="profile public"):
            ask()


def test_a_public_run_is_refused_until_another_profile_is_named(alone):
    path = alone / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["settings"]["profile"] = "public"
    path.write_text(json.dumps(manifest))
    procedure = rows(alone, "index_procedures")[0]["procedure_id"]
    with pytest.raises(OptionError, match="profile public"):
        trace_procedure(alone, procedure)
    assert trace_procedure(alone, procedure, profile="facility-phi").procedure_id == procedure


def test_the_reverse_of_an_exclusion_is_its_cases(runs):
    run = runs / "asc-18"
    expected = sorted(r["procedure_id"] for r in rows(run, "excluded_procedures") if r["excluded_by"] == "age_under_65")
    for name in ("age_under_65", "cohort.exclusions[age_under_65]"):
        found = cases_of_clause(run, name)
        assert [case["procedure_id"] for case in found.cases] == expected
        assert found.clause == "cohort.exclusions[age_under_65]"
    assert expected


@pytest.mark.parametrize("rule", ["PA1", "PA3", "PA4", "no_planned_procedure", "planned", "belongs_to_later_procedure"])
def test_the_reverse_of_a_rule_on_visits(runs, rule):
    for measure in MEASURES:
        visits = rows(runs / measure, "hospital_visits")
        columns = ("planned_rule", "not_counted_because")
        expected = sorted(v["procedure_id"] for v in visits if rule in [v[name] for name in columns])
        assert [case["procedure_id"] for case in cases_of_clause(runs / measure, rule).cases] == expected


def test_the_reverse_of_code_lists_tells_clauses_of_one_type_apart(runs):
    """The lists of one type of visit share the visits of that type among them."""
    total = 0
    for measure in MEASURES:
        lists = riskstd.load_measure(measure).visit_codes
        shown = [(c["procedure_id"], c["what"]) for one in lists for c in cases_of_clause(runs / measure, one.id).cases]
        total += len(shown)
        visits = [v for v in rows(runs / measure, "hospital_visits") if v["visit_type"] != "inpatient"]
        assert {procedure for procedure, _ in shown} == {v["procedure_id"] for v in visits}
        assert len(shown) >= len(visits)
    assert total


def test_the_reverse_of_a_factor_is_where_it_is_not_0(runs):
    run = runs / "asc-12"
    expected = [r["procedure_id"] for r in rows(run, "risk_factors") if r["arrhythmia"]]
    assert [case["procedure_id"] for case in cases_of_clause(run, "arrhythmia").cases] == expected
    bands = [r["procedure_id"] for r in rows(run, "risk_factors") if r["age_70_74"]]
    assert [case["procedure_id"] for case in cases_of_clause(run, "age_70_74").cases] == bands


def test_a_clause_that_is_not_there_is_named_with_those_that_are(runs):
    with pytest.raises(OptionError, match=r"cohort\.exclusions\[age_under_65\]"):
        cases_of_clause(runs / "asc-18", "shoe_size")


def command(*words):
    call = [sys.executable, "-W", "error", "-m", "riskstd.cli", *map(str, words)]
    return subprocess.run(call, capture_output=True, text=True, check=False)


def test_the_command_writes_a_page_and_refuses_half_a_question(runs, tmp_path):
    procedure = rows(runs / "asc-18", "index_procedures")[0]["procedure_id"]
    out = tmp_path / "case.html"
    done = command("trace", runs / "asc-18", "--procedure", procedure, "--format", "html", "--out", out)
    assert done.returncode == 0, done.stderr
    assert out.read_text().startswith("<!DOCTYPE html>")
    assert command("trace", runs / "asc-18").returncode == 2
    listed = json.loads(command("trace", runs / "asc-18", "--clause", "age_under_65", "--json").stdout)
    assert listed["cases"]
