"""A draft of one's own measure, made from an existing one: codes, window, visits, risk factors, setting and unit."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from riskstd.errors import OptionError
from riskstd.spec.codetables import TABLE_COLUMNS
from riskstd.spec.draftfactors import OPEN_SOURCE, draft_factors
from riskstd.spec.draftlines import facility_line, further_lines, unit_words
from riskstd.spec.folder import FOLDER_NAME, find_definitions, open_definitions
from riskstd.spec.loader import load_measure
from riskstd.spec.shipped import definition_path
from riskstd.spec.tomltext import to_toml

VISITS = ("ed", "observation", "inpatient")
_VISIT_WORDS = {"ed": "emergency visit", "observation": "observation stay", "inpatient": "unplanned admission"}
_KEPT_EXCLUSIONS = frozenset(
    {
        "outside_period",
        "facility_unknown",
        "discontinued_modifier",
        "person_unknown",
        "age_below",
        "not_enrolled_before",
        "not_enrolled_after",
        "followed_by_procedure",
    }
)
_SCALES = {
    "percent": ("percent of procedures", 1),
    "per_1000": ("visits per 1,000 procedures", 1),
    "ratio": ("ratio", 2),
}
_READ_BY_RULES = frozenset({"missing_principal"})


@dataclass(frozen=True)
class Wishes:
    """What a draft is to be.

    Attributes
    ----------
    id : str
        Measure id in capitals, for example `SPINE-90`.
    codes : tuple of str
        Qualifying HCPCS codes or ranges (`63001..63003`).
    title : str
        Title; made from the id if empty.
    like : str
        Measure that everything not wished otherwise is taken from.
    year : int
        Specification year of both.
    icd10pcs : tuple of str
        Qualifying ICD-10-PCS codes or prefixes (`0SG*`), which stand on inpatient claims only.
    window : pair of int
        First and last day of the outcome window.
    visits : tuple of str
        Visit types that count: `ed`, `observation`, `inpatient`.
    factors : tuple of str
        Names of factors of the shipped measures, or `name=cc:85,86` and `name=dx:E66.01,F17*`; those of `like` that
        do not hang on its procedures if empty.
    settings : tuple of str
        Where the procedures are done: `asc`, `outpatient` (hospital), `inpatient` (hospital).
    unit : str
        Who is scored: `facility` or `surgeon`.
    age : int
        Youngest age in full years.
    scale : str
        `percent`, `per_1000` or `ratio`.
    """

    id: str
    codes: tuple[str, ...] = ()
    icd10pcs: tuple[str, ...] = ()
    title: str = ""
    like: str = "ASC-17"
    year: int = 2025
    window: tuple[int, int] = (0, 7)
    visits: tuple[str, ...] = VISITS
    factors: tuple[str, ...] = ()
    settings: tuple[str, ...] = ("asc",)
    unit: str = "facility"
    age: int = 65
    scale: str = "percent"


def write_draft(wishes: Wishes, folder: Path | None = None) -> Path:
    """Write the draft of a measure into a definition folder: `measures/ID.toml` and its code list.

    Parameters
    ----------
    wishes : Wishes
    folder : Path, optional
        Definition folder; the one that the rule of `find_definitions` finds, else a new one in the working folder.

    Returns
    -------
    Path
        The definition file.

    Raises
    ------
    OptionError
        When a wish cannot be met, or the measure or its code list is there already.
    """
    _check(wishes)
    folder = folder or find_definitions() or Path.cwd() / FOLDER_NAME
    file = folder / "measures" / f"{wishes.id.lower()}.toml"
    table = f"{_slug(wishes.id)}_codes"
    known = open_definitions(folder) if folder.is_dir() else None
    if file.exists() or (known is not None and table in known.entries):
        raise OptionError(
            f"{folder} holds a measure {wishes.id} or its code list {table} already",
            expected="an id of its own",
            hint="name another id, or edit the file",
        )
    text = to_toml(draft(wishes))
    (folder / "measures").mkdir(parents=True, exist_ok=True)
    (folder / "tables").mkdir(exist_ok=True)
    _write_codes(wishes, folder / "tables", table)
    file.write_text(_HEADER + text, "utf-8")
    try:
        load_measure(file, definitions=folder)
    except Exception:
        file.unlink()
        raise
    return file


_HEADER = """\
# A measure of one's own. Places marked OPEN wait for what holds and where it was read; `riskstd spec check` lists them.
"""


def draft(wishes: Wishes) -> dict[str, Any]:
    """Return the content of the definition file of a draft."""
    base = tomllib.loads(definition_path(wishes.like, wishes.year).read_text("utf-8"))
    table = f"{_slug(wishes.id)}_codes"
    first, last = wishes.window
    content = {**base, "measure": _head(wishes)}
    content["cohort"] = _cohort(wishes, base["cohort"], table)
    content["outcome"] = _outcome(wishes, base["outcome"])
    content["risk"] = {**base["risk"], "factors": draft_factors(wishes.factors, base, wishes.age)}
    content["score"] = _score(wishes, base["score"])
    content["options"] = _options_in_use(content)
    content["outcome"]["first_day"], content["outcome"]["last_day"] = first, last
    return _taken_over(content, base["measure"]["id"])


def _taken_over(part: Any, like: str) -> Any:
    """Say of every clause that came along where it came from; what CMS says of one measure, it does not of another."""
    if isinstance(part, list):
        return [_taken_over(item, like) for item in part]
    if not isinstance(part, dict):
        return part
    inner = {key: _taken_over(value, like) for key, value in part.items()}
    if "says" in part and not part["source"].startswith("own"):
        inner["source"] = f"{part['source']}; taken over from {like}"
        inner["origin"] = "assumed" if part["origin"] == "assumed" else "reconstructed"
        inner["grade"] = "C" if part.get("grade") == "C" else "B"
    if inner.get("values_origin") == "cms_public":
        inner["values_origin"] = "reconstructed"
    return inner


def _check(wishes: Wishes) -> None:
    first, last = wishes.window
    if not 0 <= first <= last <= 3650:
        raise OptionError(f"window {first}:{last}", expected="first:last day, for example 0:90")
    unknown = [visit for visit in wishes.visits if visit not in VISITS]
    if unknown or not wishes.visits:
        raise OptionError(f"visits {', '.join(unknown) or 'none'}", expected=f"one or more of {', '.join(VISITS)}")
    if wishes.scale not in _SCALES:
        raise OptionError(f"scale {wishes.scale!r}", expected=f"one of {', '.join(_SCALES)}")
    if not (wishes.codes or wishes.icd10pcs):
        raise OptionError("no code qualifies", expected="codes of the procedures, for example 63030 63047")
    inpatient = "inpatient" in wishes.settings and wishes.unit == "facility"
    if bool(wishes.icd10pcs) != inpatient:
        raise OptionError(
            f"{len(wishes.icd10pcs)} ICD-10-PCS codes in setting {', '.join(wishes.settings)} by {wishes.unit}",
            expected="ICD-10-PCS codes if, and only if, procedures of inpatient claims are read",
        )


def _slug(text: str) -> str:
    return text.lower().replace("-", "_")


def _own(says: str, source: str = OPEN_SOURCE) -> dict[str, str]:
    return {"says": says, "source": source, "origin": "assumed", "grade": "C"}


def _head(wishes: Wishes) -> dict[str, Any]:
    first, last = wishes.window
    unit, setting = unit_words(wishes.settings, wishes.unit)
    title = wishes.title or f"Hospital visits on days {first} to {last}, {wishes.id}"
    return {
        "id": wishes.id,
        "spec_year": wishes.year,
        "revision": 1,
        "title": title,
        "short_title": title if len(title) <= 40 else wishes.id,
        "procedure_noun": "procedure",
        "unit": unit,
        "setting": setting,
        **_own(f"Estimates how often patients of a {unit} have {_any_visit(wishes)} on days {first} to {last}."),
    }


def _any_visit(wishes: Wishes) -> str:
    words = [_VISIT_WORDS[visit] for visit in VISITS if visit in wishes.visits]
    text = " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    return f"an {text}"


def _cohort(wishes: Wishes, base: dict[str, Any], table: str) -> dict[str, Any]:
    last = wishes.window[1]
    exclusions = []
    for clause in base["exclusions"]:
        if clause["rule"] not in _KEPT_EXCLUSIONS:
            continue
        clause = dict(clause)
        if clause["rule"] == "age_below" and clause["age_years"] != wishes.age:
            says = f"The patient is younger than {wishes.age} on the procedure date."
            clause |= {"id": f"age_under_{wishes.age}", "age_years": wishes.age, **_own(says)}
        if clause["rule"] == "not_enrolled_after" and clause["last_day"] != last:
            says = f"The patient lived through day {last} without Parts A and B in fee for service in those months."
            clause |= {"last_day": last, **_own(says)}
        if clause["rule"] == "followed_by_procedure" and clause["within_days"] != max(last, 1):
            says = f"Another qualifying procedure of the patient follows within {max(last, 1)} days."
            clause |= {"within_days": max(last, 1), **_own(says)}
        exclusions.append(clause)
    return {
        "facility_line": facility_line(wishes.settings[0], wishes.unit, base["facility_line"]),
        "codes": {
            "rule": "qualifying_codes",
            "table": table,
            "role": "qualifying",
            **_own("Procedures on the list qualify."),
        },
        "record": base["record"],
        "further_lines": further_lines(wishes.settings[1:], wishes.unit, base["facility_line"]),
        "exclusions": exclusions,
    }


def _outcome(wishes: Wishes, base: dict[str, Any]) -> dict[str, Any]:
    first, last = wishes.window
    kept = {key: value for key, value in base.items() if key not in {"visits", "inpatient", "ed_on_planned_stay"}}
    says = f"{_any_visit(wishes).capitalize()} of any cause on days {first} to {last}; day 0 is the procedure date."
    outcome = {**kept, **_own(says), "visits": [v for v in base["visits"] if v["type"] in wishes.visits]}
    if "inpatient" in wishes.visits:
        outcome["inpatient"] = base["inpatient"]
        if "ed" in wishes.visits and "ed_on_planned_stay" in base:
            outcome["ed_on_planned_stay"] = base["ed_on_planned_stay"]
    if "inpatient" in wishes.settings:
        outcome["index_stay"] = {
            "rule": "index_stay_is_no_visit",
            **_own("The stay in which the procedure was done is no visit.", "own: it is not a return to hospital"),
        }
    return outcome


def _score(wishes: Wishes, base: dict[str, Any]) -> dict[str, Any]:
    unit, decimals = _SCALES[wishes.scale]
    scale = {"kind": wishes.scale, "unit": unit, "decimals": decimals, **_own(f"The score is given as {unit}.", "own")}
    comparator = "one" if wishes.scale == "ratio" else "national_rate"
    of_what = "Expected" if wishes.scale == "ratio" else "the Overall Rate"
    labels = {
        "better": f"Better Than {of_what}",
        "no_different": f"No Different Than {of_what}",
        "worse": f"Worse Than {of_what}",
        "too_few": "Number of Cases Too Small",
    }
    least = base["categories"]["minimum_cases"]
    says = f"A unit is better or worse when its 95 % interval lies wholly on one side, and none under {least} cases."
    categories = {
        "minimum_cases": least,
        "display_level": 0.95,
        "category_level": 0.95,
        "comparator": comparator,
        "labels": labels,
        **_own(says),
    }
    return {**base, "scale": [scale], "categories": categories}


def _options_in_use(content: dict[str, Any]) -> dict[str, Any]:
    """Options that a clause of the draft still depends on; values that no clause names any more are kept."""
    named = set(_named_options({key: value for key, value in content.items() if key != "options"}))
    return {name: option for name, option in content["options"].items() if name in named | _READ_BY_RULES}


def _named_options(part: Any) -> Sequence[str]:
    if isinstance(part, list):
        return [name for item in part for name in _named_options(item)]
    if not isinstance(part, dict):
        return []
    own = [part["when"]["option"]] if isinstance(part.get("when"), dict) else []
    return [*own, *(name for item in part.values() for name in _named_options(item))]


def _write_codes(wishes: Wishes, folder: Path, name: str) -> None:
    columns = TABLE_COLUMNS["code_list"]
    source = OPEN_SOURCE.replace(",", ":")
    lists = {"HCPCS": wishes.codes, "ICD-10-PCS": wishes.icd10pcs}
    rows = [
        ["qualifying", system, " ".join(codes).upper(), "", "assumed", "C", source]
        for system, codes in lists.items()
        if codes
    ]
    (folder / f"{name}.csv").write_text("".join(",".join(row) + "\n" for row in [columns, *rows]), "utf-8")
    index = folder / "index.toml"
    entry = {
        "file": f"{name}.csv",
        "kind": "code_list",
        "system": ", ".join(system for system, codes in lists.items() if codes),
        "version": "draft",
        "says": f"Lists the procedures of {wishes.id}.",
        "source": OPEN_SOURCE,
        "origin": "assumed",
        "grade": "C",
    }
    before = index.read_text("utf-8") if index.is_file() else ""
    index.write_text(before + ("\n" if before else "") + to_toml({name: entry}), "utf-8")
