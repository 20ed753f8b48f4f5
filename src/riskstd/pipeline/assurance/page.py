"""Patients by clause, for the page that explains a measure's logic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from riskstd.errors import OptionError
from riskstd.pipeline.assurance.assure import expected_in_words
from riskstd.pipeline.assurance.patients import Patient, load_patients
from riskstd.pipeline.assurance.people import persons_of
from riskstd.pipeline.assurance.words import markdown_table
from riskstd.spec import Measure, load_measure

BEGIN = "<!-- patients: begin -->"
END = "<!-- patients: end -->"
_TITLES = {
    "cohort": "Cohort",
    "outcome": "Outcome",
    "planned_admission": "Planned admissions",
    "risk": "Risk factors",
}


@dataclass(frozen=True)
class _Shown:
    """A patient of the page, and the measures that it holds for."""

    name: str
    patient: Patient
    expected: str
    measures: tuple[str, ...]


def write_page(page: Path, files: Sequence[Path], measures: Sequence[str | Measure] = ()) -> None:
    """Write the patients by clause between the marks of a page; the rest of the page stays.

    Raises
    ------
    OptionError
        When the page does not have both marks once.
    """
    text = page.read_text("utf-8") if page.is_file() else f"{BEGIN}\n{END}\n"
    changed = replaced(text, patients_by_clause(files, measures), page.name)
    scratch = page.with_name(f".{page.name}.new")
    scratch.write_text(changed, "utf-8")
    scratch.replace(page)


def replaced(text: str, part: str, name: str) -> str:
    """Return a page with another part between its marks.

    Raises
    ------
    OptionError
        When the page does not have both marks once.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise OptionError(
            f"{name} does not have the marks between which the patients are written",
            expected=f"one line {BEGIN} and one line {END} below it",
        )
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{part}\n\n{END}{rest.partition(END)[2]}"


def patients_by_clause(files: Sequence[Path], measures: Sequence[str | Measure] = ()) -> str:
    """Return the patients of some files by section and clause, with expected verdicts, as Markdown.

    A patient that tests several clauses stands at each of them.
    """
    named = measures or list(dict.fromkeys(name for file in files for name in load_patients(file).measures))
    loaded = [measure if isinstance(measure, Measure) else load_measure(measure) for measure in named]
    clauses = _sentences(loaded)
    by_clause = _by_clause(files, loaded)
    lines: list[str] = []
    for section, title in _TITLES.items():
        lines += ["", f"### {title}", ""]
        for path, says in clauses.items():
            if path.split(".")[0] == section and path in by_clause:
                lines += _clause_lines(path, says, by_clause[path], len(loaded))
    return "\n".join(lines).strip()


def _sentences(measures: Sequence[Measure]) -> dict[str, str]:
    """What each clause says, with the measures where they say different things."""
    said: dict[str, dict[str, list[str]]] = {}
    for measure in measures:
        first = {path: clause.says for path, clause in reversed(list(measure.definition.clauses()))}
        for path, _ in measure.definition.clauses():
            names = said.setdefault(path, {}).setdefault(first[path], [])
            if measure.id not in names:
                names.append(measure.id)
    return {
        path: next(iter(texts))
        if len(texts) == 1
        else " ".join(f"{', '.join(names)}: {text}" for text, names in texts.items())
        for path, texts in said.items()
    }


def _by_clause(files: Sequence[Path], measures: Sequence[Measure]) -> dict[str, list[_Shown]]:
    held: dict[tuple[str, str], list[str]] = {}
    first: dict[tuple[str, str], _Shown] = {}
    for measure in measures:
        for person in persons_of(files, measure.id):
            key = (person.file, person.name)
            names = held.setdefault(key, [])
            if measure.id not in names:
                names.append(measure.id)
            first.setdefault(key, _Shown(person.name, person.patient, expected_in_words(person), ()))
    by_clause: dict[str, list[_Shown]] = {}
    for key, shown in first.items():
        full = _Shown(shown.name, shown.patient, shown.expected, tuple(held[key]))
        for path in shown.patient.clauses:
            by_clause.setdefault(path, []).append(full)
    return by_clause


def _clause_lines(path: str, says: str, shown: Sequence[_Shown], measures: int) -> list[str]:
    rows = [
        (
            each.patient.says + _given(each.patient),
            each.expected,
            "all" if len(each.measures) == measures else ", ".join(each.measures),
        )
        for each in shown
    ]
    return [f"**`{path}`**: {says}", "", *markdown_table(("patient", "verdict", "measures"), rows), ""]


def _given(patient: Patient) -> str:
    given = [f"{name} = {value}" for name, value in patient.options.items()]
    given += [f"without {column}" for column in patient.absent]
    given += [f"{name}: {', '.join(values)}" for name, values in patient.each.items()]
    return f" ({', '.join(given)})" if given else ""
