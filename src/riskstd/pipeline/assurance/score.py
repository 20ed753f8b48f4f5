"""Mutation score: which changes of which clauses of a measure do its invented patients notice?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from riskstd.errors import RiskstdError, SpecError
from riskstd.pipeline.assurance.assure import deliveries_for, loaded_measure, under_options
from riskstd.pipeline.assurance.judging import judge
from riskstd.pipeline.assurance.mutants import Mutant, mutants_of, mutated
from riskstd.pipeline.assurance.people import Delivery
from riskstd.pipeline.assurance.verdicts import complaints
from riskstd.spec import Measure
from riskstd.spec.clauses import Interaction
from riskstd.spec.definition import columns_of

Status = Literal["noticed", "survives", "refused"]
Progress = Callable[[int, int, str], None]
Judge = Callable[[Delivery, Measure], Any]
"""Runs the patients of a delivery under a measure."""


@dataclass(frozen=True)
class Tried:
    """A mutant, and what became of it.

    Attributes
    ----------
    mutant : Mutant
    status : {'noticed', 'survives', 'refused'}
        A patient's verdict changed; none did; or no such definition can be run, which an error says.
    by : str
        The patient that notices it.
    says : str
        What that patient's verdict is instead, or the error.
    """

    mutant: Mutant
    status: Status
    by: str = ""
    says: str = ""


@dataclass(frozen=True)
class MutationScore:
    """What became of every mutant of a measure.

    Attributes
    ----------
    measure : str
    tried : tuple of Tried
        In the order of the definition.
    """

    measure: str
    tried: tuple[Tried, ...] = field(repr=False)

    def of(self, status: Status) -> tuple[Tried, ...]:
        """Return the mutants with a status."""
        return tuple(each for each in self.tried if each.status == status)

    @property
    def clauses(self) -> tuple[str, ...]:
        """Clauses with a mutant that can be run, in the order of the definition."""
        return tuple(dict.fromkeys(each.mutant.clause for each in self.tried if each.status != "refused"))

    @property
    def clauses_noticed(self) -> tuple[str, ...]:
        """Those of them of which every change is noticed."""
        lacking = {each.mutant.clause for each in self.of("survives")}
        return tuple(clause for clause in self.clauses if clause not in lacking)

    def in_words(self) -> str:
        """Return the score in one sentence."""
        noticed, survive = len(self.of("noticed")), len(self.of("survives"))
        return (
            f"{self.measure}: {noticed:,} of {noticed + survive:,} changes noticed, "
            f"{len(self.clauses_noticed):,} of {len(self.clauses):,} clauses in every change; "
            f"{len(self.of('refused')):,} more changes are refused as definitions"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return counts, and what became of each mutant, as plain values."""
        return {
            "measure": self.measure,
            "noticed": len(self.of("noticed")),
            "survive": [each.mutant.name for each in self.of("survives")],
            "refused": len(self.of("refused")),
            "clauses": len(self.clauses),
            "clauses_noticed": len(self.clauses_noticed),
            "mutants": {each.mutant.name: each.by or each.status for each in self.tried},
        }


def mutation_score(
    files: Sequence[str | Path],
    measure: str | Path | Measure,
    *,
    year: int = 2025,
    progress: Progress | None = None,
) -> MutationScore:
    """Change a measure in every way, one at a time, and see whether an invented patient notices.

    Each clause is dropped, each bound and window moved by one, each list shortened and lengthened by an entry, each
    flag, table and default turned. A patient notices when it does not get its expected verdict any more.

    Parameters
    ----------
    files : sequence of str or Path
        Patient files, as for `assure`; patients that the measure itself fails notice nothing.
    measure : str, Path or Measure
        Measure id, definition file or measure.
    year : int
        Specification year of a measure given by id.
    progress : callable, optional
        Called with mutants done, mutants to do, and the mutant.

    Returns
    -------
    MutationScore

    Raises
    ------
    PatientFileError, SpecError, OptionError
        As `assure` does.

    Notes
    -----
    About a second of processor for each mutant; those of condition categories and codes of different risk factors,
    which show in columns of their own, share a run.

    Examples
    --------
    >>> import tempfile
    >>> from riskstd.spec import load_measure
    >>> from riskstd.pipeline.assurance.draft import draft_patients
    >>> measure = load_measure("ASC-18")
    >>> only_age = [each for each in mutants_of(measure) if each.clause == "cohort.exclusions[age_under_65]"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "patients.toml")
    ...     _ = file.write_text(draft_patients(measure), "utf-8")
    ...     tried = try_mutants(deliveries_for([file], measure), measure, only_age[:1])
    >>> tried[0].status
    'noticed'
    """
    loaded = loaded_measure(measure, year, None)
    deliveries = deliveries_for([Path(file) for file in files], loaded)
    return MutationScore(loaded.id, tuple(try_mutants(deliveries, loaded, mutants_of(loaded), progress=progress)))


def by_engine(delivery: Delivery, measure: Measure) -> Any:
    """Run the patients of a delivery under a measure."""
    return judge(delivery.claims, under_options(delivery, measure), period=delivery.setting.period)


def try_mutants(
    deliveries: Sequence[Delivery],
    measure: Measure,
    mutants: Iterable[Mutant],
    *,
    run: Judge = by_engine,
    progress: Progress | None = None,
) -> list[Tried]:
    """Run patients under mutants, and say which of them they notice.

    Parameters
    ----------
    deliveries : sequence of Delivery
    measure : Measure
        As it is.
    mutants : iterable of Mutant
        Those to try.
    run : callable, optional
        From delivery and measure to an answer with rows; the engine if left out.
    progress : callable, optional
        As in `mutation_score`.
    """
    wanted = list(mutants)
    found: dict[str, Tried] = {}
    ready: list[tuple[Mutant, Measure]] = []
    for mutant in wanted:
        try:
            ready.append((mutant, mutated(measure, [mutant])))
        except SpecError as error:
            found[mutant.name] = Tried(mutant, "refused", says=error.found)
    known = _Known(measure, run)
    for batch, changed in _batches(measure, ready):
        if progress:
            progress(len(found), len(wanted), batch[0].name)
        found |= {each.mutant.name: each for each in _tried(deliveries, known, batch, changed)}
    return [found[mutant.name] for mutant in wanted]


@dataclass(frozen=True)
class _Known:
    """What patients say of the measure as it is: whoever complains then notices nothing later."""

    measure: Measure
    run: Judge
    failing: dict[int, frozenset[int]] = field(default_factory=dict)

    def said(self, delivery: Delivery, changed: Measure) -> list[tuple[str, str]]:
        """Return who does not get the verdict expected, and what it gets."""
        if id(delivery) not in self.failing:
            self.failing[id(delivery)] = frozenset(key for key, _, _ in self._complaints(delivery, self.measure))
        out = self.failing[id(delivery)]
        return [(title, text) for key, title, text in self._complaints(delivery, changed) if key not in out]

    def _complaints(self, delivery: Delivery, measure: Measure) -> list[tuple[int, str, str]]:
        answer = self.run(delivery, measure)
        return [(p.person_key, p.title, text) for p in delivery.persons for text in complaints(p, answer)]


def _tried(deliveries: Sequence[Delivery], known: _Known, batch: list[Mutant], changed: Measure) -> list[Tried]:
    """Run one changed definition; a change of one risk factor shows in its own columns alone."""
    columns = {factor.name: columns_of(factor) for factor in known.measure.definition.risk.factors}
    left = {mutant: [f"risk factor {name} = " for name in columns.get(mutant.factor, ())] for mutant in batch}
    found: list[Tried] = []
    refused = ""
    for delivery in sorted(deliveries, key=partial(_unlikely, batch[0])):
        try:
            said = known.said(delivery, changed)
        except RiskstdError as error:
            refused = refused or error.found
            continue
        for mutant, marks in list(left.items()):
            hit = next((s for s in said if len(batch) == 1 or any(mark in s[1] for mark in marks)), None)
            if hit is not None:
                found.append(Tried(mutant, "noticed", *hit))
                del left[mutant]
        if not left:
            break
    return [*found, *(Tried(mutant, "refused" if refused else "survives", says=refused) for mutant in left)]


def _unlikely(mutant: Mutant, delivery: Delivery) -> tuple[int, int]:
    """Order of deliveries: most patients that name the clause first, then most patients."""
    naming = sum(mutant.clause in person.patient.clauses for person in delivery.persons)
    return -naming, -len(delivery.persons)


def _batches(measure: Measure, ready: list[tuple[Mutant, Measure]]) -> list[tuple[list[Mutant], Measure]]:
    """Put changes of different risk factors together, as far as such a definition can be loaded; all others alone."""
    products = [factor for factor in measure.definition.risk.factors if isinstance(factor, Interaction)]
    apart = {"", *(name for factor in products for name in (factor.name, *factor.factors))}
    shared: list[dict[str, tuple[Mutant, Measure]]] = []
    batches = [([mutant], changed) for mutant, changed in ready if mutant.factor in apart]
    for mutant, changed in ready:
        if mutant.factor not in apart:
            batch = next((each for each in shared if mutant.factor not in each), None)
            if batch is None:
                shared.append(batch := {})
            batch[mutant.factor] = (mutant, changed)
    for batch in shared:
        together = [mutant for mutant, _ in batch.values()]
        try:
            batches.append((together, mutated(measure, together)))
        except SpecError:
            batches += [([mutant], changed) for mutant, changed in batch.values()]
    return batches
