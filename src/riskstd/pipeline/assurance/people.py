"""The patients of a measure as people of a delivery of claims: who shares a run with whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskstd.errors import PatientFileError
from riskstd.pipeline.assurance.drawing import Drawing, draw
from riskstd.pipeline.assurance.patients import Expected, Index, Patient, load_patients

if TYPE_CHECKING:
    from riskstd.claims import Claims


@dataclass(frozen=True)
class Setting:
    """What a run is given: patients with the same share it.

    Attributes
    ----------
    options : tuple of pairs
        Options of the measure with the values chosen.
    absent : tuple of str
        Columns that the source does not have, as `table.column`.
    period : pair of dates, optional
        First and last procedure date.
    """

    options: tuple[tuple[str, str], ...] = ()
    absent: tuple[str, ...] = ()
    period: tuple[date, date] | None = None


@dataclass(frozen=True)
class Person:
    """An invented patient of a measure, with its key in the delivery.

    A patient with `each` is as many persons as it has values; `variant` says which.
    """

    measure_id: str
    file: str
    name: str
    patient: Patient
    index: Index
    codes: dict[str, str]
    person_key: int
    variant: str = ""

    @property
    def setting(self) -> Setting:
        """What the run of this patient is given."""
        patient = self.patient
        return Setting(tuple(sorted(patient.options.items())), tuple(sorted(patient.absent)), patient.period)

    @property
    def title(self) -> str:
        """Name of the patient, with its variant."""
        return f"{self.name} ({self.variant})" if self.variant else self.name

    @property
    def expect(self) -> Expected:
        """What is expected of the procedure of day 0."""
        return self.patient.expect.with_codes(self.codes)

    @property
    def also(self) -> dict[str, Expected]:
        """What is expected of other procedures."""
        return {where: expected.with_codes(self.codes) for where, expected in self.patient.also.items()}

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Return the rows of the patient by claims table.

        Raises
        ------
        PatientFileError
            Naming file, patient, table, row and column.
        """
        try:
            return draw(self.patient, Drawing(self.index, self.codes), self.person_key)
        except PatientFileError as error:
            raise PatientFileError(f"{self.file}, patient {self.title}: {error.found}") from None


@dataclass(frozen=True)
class Delivery:
    """Persons that share a run, and their claims."""

    setting: Setting
    persons: tuple[Person, ...]
    rows: dict[str, list[dict[str, Any]]] = field(repr=False)

    @cached_property
    def claims(self) -> Claims:
        """The claims of all persons, on a small engine of their own."""
        import ibis

        from riskstd.claims import Claims

        filled = {name: rows for name, rows in self.rows.items() if rows}
        return Claims.from_frames(filled, absent=self.setting.absent, connection=ibis.duckdb.connect(threads=1))


def persons_of(files: Iterable[Path], measure_id: str) -> tuple[Person, ...]:
    """Return every patient of some files that holds for a measure.

    Raises
    ------
    PatientFileError
        When a file is not valid, or two patients have one name.
    """
    found: list[Person] = []
    names: dict[str, str] = {}
    for file in files:
        content = load_patients(file)
        for name, patient in content.patients_of(measure_id).items():
            if name in names:
                raise PatientFileError(
                    f"{file.name}, patient {name}: {names[name]} has a patient of that name for {measure_id} already",
                    hint="give one of them another name",
                )
            names[name] = file.name
            codes = {key: per_measure[measure_id] for key, per_measure in content.codes.items()}
            for values in patient.variants():
                person = Person(
                    measure_id,
                    file.name,
                    name,
                    patient,
                    content.index_of(patient),
                    {**codes, **values},
                    person_key=len(found) + 1,
                    variant=", ".join(f"{key} = {value}" for key, value in values.items()),
                )
                found.append(person)
    return tuple(found)


def deliveries_of(persons: Sequence[Person]) -> list[Delivery]:
    """Put persons together that share what a run is given, in the order of their first."""
    by_setting: dict[Setting, list[Person]] = {}
    for person in persons:
        by_setting.setdefault(person.setting, []).append(person)
    deliveries = []
    for setting, members in by_setting.items():
        rows: dict[str, list[dict[str, Any]]] = {}
        for person in members:
            for name, part in person.rows().items():
                rows.setdefault(name, []).extend(part)
        deliveries.append(Delivery(setting, tuple(members), rows))
    return deliveries
