"""What a change of definition does to claims: equal to two full runs, compared by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from riskstd.pipeline.run import run_measure
from riskstd.pipeline.spec_effect import compare_on_claims
from riskstd.spec import Measure, load_measure
from riskstd.spec.codetables import DATA

REPLICATES = 20


def without_exclusion(tmp_path: Path, measure: str, first: str, following: str) -> Measure:
    text = (DATA / "ascqr" / "2025" / f"{measure}.toml").read_text("utf-8")
    start = text.index(f'[[cohort.exclusions]]\nid = "{first}"')
    end = text.index(following, start + 10)
    (tmp_path / "mine.toml").write_text(text[:start] + text[end:], "utf-8")
    return load_measure(tmp_path / "mine.toml")


def with_one_years_codes(tmp_path: Path) -> Measure:
    """One code of the urology list no longer holds in 2023."""
    folder = tmp_path / "definitions"
    (folder / "tables").mkdir(parents=True)
    text = (DATA / "tables" / "urology_codes.csv").read_text("utf-8")
    lines = []
    for line in text.splitlines():
        if " 52332 " in line and ",2021-2026," in line:
            lines.append(line.replace(" 52332 ", " "))
            lines.append("qualifying,HCPCS,52332,2021-2022 2024-2026,assumed,C,own: a change of one year")
        else:
            lines.append(line)
    assert len(lines) == len(text.splitlines()) + 1
    (folder / "tables" / "urology_codes.csv").write_text("\n".join(lines) + "\n", "utf-8")
    index = (
        '[urology_codes]\nfile = "urology_codes.csv"\nkind = "code_list"\nsystem = "HCPCS"\nversion = "mine"\n'
        'says = "Mine."\nsource = "own"\norigin = "reconstructed"\ngrade = "C"\n'
    )
    (folder / "tables" / "index.toml").write_text(index, "utf-8")
    return load_measure("ASC-18", definitions=folder)


def by_hand(before: object, after: object) -> dict[str, object]:
    """Compare the files of two runs, without what the comparison itself uses."""
    cases = {}
    for name, run in (("before", before), ("after", after)):
        index = pd.read_parquet(run.folder / "index_procedures.parquet")
        outcomes = pd.read_parquet(run.folder / "outcomes.parquet").set_index("procedure_id")["outcome"]
        keys = zip(index["person_id"], index["facility_id"], index["procedure_date"], strict=True)
        cases[name] = {key: (pid, outcomes[pid]) for key, pid in zip(keys, index["procedure_id"], strict=True)}
    old, new = cases["before"], cases["after"]
    categories = [dict(run.rates.set_index("facility_id")["category"]) for run in (before, after)]
    every = set(categories[0]) | set(categories[1])
    return {
        "cases_before": len(old),
        "cases_after": len(new),
        "cases_in": len(set(new) - set(old)),
        "cases_out": len(set(old) - set(new)),
        "with_visit_before": sum(outcome for _, outcome in old.values()),
        "with_visit_after": sum(outcome for _, outcome in new.values()),
        "outcomes_to_1": sum(new[k][1] > old[k][1] for k in set(old) & set(new)),
        "outcomes_to_0": sum(new[k][1] < old[k][1] for k in set(old) & set(new)),
        "facilities_before": len(categories[0]),
        "facilities_after": len(categories[1]),
        "facilities_of_another_category": sum(categories[0].get(f) != categories[1].get(f) for f in every),
        "ids_in": sorted(new[k][0] for k in set(new) - set(old)),
        "ids_out": sorted(old[k][0] for k in set(old) - set(new)),
    }


@pytest.mark.parametrize(
    "change", ["exclusion", *(pytest.param(c, marks=pytest.mark.slow) for c in ("codes_of_one_year", "visit_codes"))]
)
def test_numbers_equal_two_full_runs(change: str, claims, tmp_path):
    if change == "exclusion":
        before = load_measure("ASC-12")
        after = without_exclusion(tmp_path, "asc-12", "diverticulitis", '[[cohort.exclusions]]\nid = "followed_by')
    elif change == "codes_of_one_year":
        before, after = load_measure("ASC-18"), with_one_years_codes(tmp_path)
    else:
        before = load_measure("ASC-17")
        after = load_measure("ASC-17", options={"revenue_0456_as_ed": "on", "carrier_observation": "off"})
    runs = [
        run_measure(measure, claims=claims, out=tmp_path / side, n_bootstrap=REPLICATES)
        for side, measure in (("before", before), ("after", after))
    ]
    hand = by_hand(*runs)
    effect = compare_on_claims(before, after, claims=claims, n_bootstrap=REPLICATES, out=tmp_path / "effect")
    assert effect.counts == {name: value for name, value in hand.items() if not name.startswith("ids_")}
    rows = effect.cases
    assert sorted(rows.loc[rows["change"] == "in", "procedure_id_after"]) == hand["ids_in"]
    assert sorted(rows.loc[rows["change"] == "out", "procedure_id_before"]) == hand["ids_out"]
    for side, run in zip(("before", "after"), runs, strict=True):
        rates = run.rates.set_index("facility_id")["rate"]
        found = effect.facilities.set_index("facility_id")[f"rate_{side}"].dropna()
        pd.testing.assert_series_equal(found, rates, check_names=False)


def test_the_changes_are_there_at_all(claims, tmp_path):
    """The planted changes move something: a comparison of nothing proves nothing."""
    dropped = without_exclusion(tmp_path, "asc-12", "diverticulitis", '[[cohort.exclusions]]\nid = "followed_by')
    effect = compare_on_claims(load_measure("ASC-12"), dropped, claims=claims, model=False)
    assert effect.counts["cases_in"] > 0
    assert effect.counts["cases_out"] == 0
    assert effect.reasons == [{"change": "in", "rule": "diverticulitis", "cases": effect.counts["cases_in"]}]
    codes = compare_on_claims(load_measure("ASC-18"), with_one_years_codes(tmp_path), claims=claims, model=False)
    assert codes.counts["cases_out"] > 0
    assert {reason["rule"] for reason in codes.reasons} == {"not_a_candidate"}


def test_the_same_definition_changes_nothing(claims, tmp_path):
    effect = compare_on_claims(load_measure("ASC-17"), load_measure("ASC-17"), claims=claims, model=False)
    assert effect.cases.empty
    assert effect.facilities is None
    assert effect.no_model_reason == "No models were asked for."


def test_files_name_no_person(claims, tmp_path):
    after = load_measure("ASC-12", options={"second_procedure": "split"})
    compare_on_claims(load_measure("ASC-12"), after, claims=claims, model=False, out=tmp_path / "effect")
    assert sorted(path.name for path in (tmp_path / "effect").iterdir()) == ["cases.csv", "manifest.json"]
    columns = pd.read_csv(tmp_path / "effect" / "cases.csv").columns
    assert not [name for name in columns if "person" in name or "date" in name or "claim" in name]
