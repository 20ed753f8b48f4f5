"""Run a measure on invented patients and compare its verdicts with those expected."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from riskstd.errors import OptionError, PatientFileError
from riskstd.pipeline.assurance.judging import judge
from riskstd.pipeline.assurance.mutants import DECIDING
from riskstd.pipeline.assurance.patients import load_patients
from riskstd.pipeline.assurance.people import Delivery, Person, deliveries_of, persons_of
from riskstd.pipeline.assurance.verdicts import complaints, expectations_of
from riskstd.pipeline.assurance.words import expectation_in_words
from riskstd.spec import Measure, load_measure


@dataclass(frozen=True)
class Verdict:
    """A patient under a measure: as expected, or not and why.

    Attributes
    ----------
    measure, file, patient : str
        Measure id, name of the file, and the name that its author gave the patient.
    says : str
        What the patient shows.
    clauses : tuple of str
        Clauses that it tests.
    expected : str
        The verdict expected, in words.
    failures : tuple of str
        What the run gave instead; nothing when it is as expected.
    unknown_clauses : tuple of str
        Clauses that it names and the definition does not have.
    """

    measure: str
    file: str
    patient: str
    says: str
    clauses: tuple[str, ...]
    expected: str
    failures: tuple[str, ...] = ()
    unknown_clauses: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether everything is as expected."""
        return not self.failures and not self.unknown_clauses

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it does not pass."""
        return (*self.failures, *self.unknown_clauses)


@dataclass(frozen=True)
class Assurance:
    """All verdicts, and the clauses that no patient tests.

    Attributes
    ----------
    verdicts : tuple of Verdict
        By measure, in the order of the files.
    untested : dict of str to tuple of str
        By measure, clauses that decide on a patient and that no patient names.
    """

    verdicts: tuple[Verdict, ...]
    untested: dict[str, tuple[str, ...]]

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """Verdicts that are not as expected."""
        return tuple(verdict for verdict in self.verdicts if not verdict.passes)

    def to_dict(self) -> dict[str, Any]:
        """Return counts, verdicts and untested clauses as plain values."""
        return {
            "patients": len(self.verdicts),
            "failed": len(self.failed),
            "verdicts": [{**asdict(verdict), "passes": verdict.passes} for verdict in self.verdicts],
            "untested": {measure: list(paths) for measure, paths in self.untested.items()},
        }


def assure(
    files: Sequence[str | Path],
    measures: Sequence[str | Path | Measure] = (),
    *,
    year: int = 2025,
    options: Mapping[str, str] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Assurance:
    """Run measures on the invented patients of some files and compare verdicts.

    Parameters
    ----------
    files : sequence of str or Path
        Patient files (TOML); docs/assure.md describes the format.
    measures : sequence of str, Path or Measure, optional
        Measure ids, definition files or measures; every measure that the files name if left out.
    year : int
        Specification year of measures given by id.
    options : mapping of str to str, optional
        Options of the measures, for every patient that does not choose them itself.
    progress : callable, optional
        Called with runs done, runs to do, and what is done.

    Returns
    -------
    Assurance

    Raises
    ------
    PatientFileError
        When a file cannot be read, naming patient, table, row and column; or when it holds no patient for a measure.
    SpecError, OptionError
        When a measure or an option does not exist.

    Examples
    --------
    >>> import tempfile
    >>> from riskstd.pipeline.assurance.draft import draft_patients
    >>> from riskstd.spec import load_measure
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "patients.toml")
    ...     _ = file.write_text(draft_patients(load_measure("ASC-18")), "utf-8")
    ...     assure([file]).failed
    ()
    """
    paths = [Path(file) for file in files]
    chosen = [loaded_measure(measure, year, options) for measure in measures or _measures_named(paths)]
    work = [(place, measure, one) for place, measure in enumerate(chosen) for one in deliveries_for(paths, measure)]
    placed: list[tuple[int, int, Verdict]] = []
    for done, (place, measure, delivery) in enumerate(work):
        if progress:
            progress(done, len(work), f"{measure.id}: {len(delivery.persons)} patient(s)")
        for person, verdict in zip(delivery.persons, verdicts_of(delivery, measure), strict=True):
            placed.append((place, person.person_key, verdict))
    if progress:
        progress(len(work), len(work), "done")
    verdicts = [verdict for _, _, verdict in sorted(placed, key=lambda each: each[:2])]
    untested = {measure.id: untested_clauses(measure, verdicts) for measure in chosen}
    return Assurance(tuple(verdicts), untested)


def verdicts_of(delivery: Delivery, measure: Measure) -> list[Verdict]:
    """Run a measure on a delivery of patients and compare verdicts, in one run of the engine."""
    under = under_options(delivery, measure)
    answer = judge(delivery.claims, under, period=delivery.setting.period)
    says = {clause.id: clause.says for clause in under.exclusions}
    paths = {path for path, _ in measure.definition.clauses()}
    return [
        Verdict(
            measure.id,
            person.file,
            person.title,
            person.patient.says,
            person.patient.clauses,
            expected_in_words(person),
            tuple(complaints(person, answer, says)),
            tuple(_unknown(path, paths) for path in person.patient.clauses if path not in paths),
        )
        for person in delivery.persons
    ]


def expected_in_words(person: Person) -> str:
    """Return the verdict that is expected for a patient, procedure by procedure."""
    said = [
        expectation_in_words(expected) if where == "0" else f"day {where}: {expectation_in_words(expected)}"
        for where, expected in expectations_of(person).items()
    ]
    return "; ".join(said)


def untested_clauses(measure: Measure, verdicts: Iterable[Verdict]) -> tuple[str, ...]:
    """Return the clauses that decide on a patient and that no patient of the measure names."""
    tested = {path for verdict in verdicts if verdict.measure == measure.id for path in verdict.clauses}
    paths = dict.fromkeys(path for path, _ in measure.definition.clauses() if path.startswith(DECIDING))
    return tuple(path for path in paths if path not in tested)


def loaded_measure(measure: str | Path | Measure, year: int, options: Mapping[str, str] | None) -> Measure:
    """Return a measure given by id, by file or as it is, under options."""
    if isinstance(measure, Measure):
        return measure.with_options(options or {})
    return load_measure(measure, year, options=options)


def _measures_named(files: Sequence[Path]) -> list[str]:
    return list(dict.fromkeys(name for file in files for name in load_patients(file).measures))


def deliveries_for(files: Sequence[Path], measure: Measure) -> list[Delivery]:
    """Return the patients of some files that hold for a measure, put together by what their run is given.

    Raises
    ------
    PatientFileError
        When there is none.
    """
    persons = persons_of(files, measure.id)
    if not persons:
        named = ", ".join(_measures_named(files))
        raise PatientFileError(
            f"no patient for {measure.id} in {', '.join(file.name for file in files)}",
            expected=f"a measure that the files name: {named}",
            hint=f"add {measure.id} to `measures` at the top, and its code to [codes.index]",
        )
    return deliveries_of(persons)


def under_options(delivery: Delivery, measure: Measure) -> Measure:
    """Return a measure under the options that the patients of a delivery choose.

    Raises
    ------
    PatientFileError
        When the measure has no such option, or no such value of it.
    """
    try:
        return measure.with_options(dict(delivery.setting.options))
    except OptionError as error:
        person = delivery.persons[0]
        raise PatientFileError(
            f"{person.file}, patient {person.title}: {error.found}", expected=error.expected
        ) from None


def _unknown(path: str, paths: Iterable[str]) -> str:
    near = difflib.get_close_matches(path, sorted(paths), n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"names the clause {path}, which the definition does not have{meant}"
