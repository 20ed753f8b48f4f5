"""A measure definition, and a measure: the definition under chosen options."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TypeVar

from pydantic import BaseModel, Field

from riskstd.errors import OptionError
from riskstd.spec.clauses import (
    AgeBands,
    Clause,
    Closed,
    Cohort,
    ConditionMap,
    Exclusion,
    Factor,
    IndexLine,
    Interaction,
    Name,
    Option,
    Outcome,
    PlannedAdmission,
    PlannedTables,
    ProcedureCount,
    ProcedureType,
    RiskFactors,
    Scale,
    Score,
    VisitCodes,
)
from riskstd.spec.codetables import CodeTable
from riskstd.spec.tableset import CodeTables

ClauseType = TypeVar("ClauseType", bound=Clause)

TABLE_KEYS = ("table", "work_rvu_table", "diagnosis_categories", "procedure_categories", "newer_codes")
TRUSTED_ORIGINS = frozenset({"cms_public", "user_import"})


class Head(Clause):
    """What the measure is called and what it measures."""

    id: str = Field(pattern=r"^[A-Z][A-Z0-9]*(-[A-Z0-9]+)*$")
    spec_year: int = Field(ge=2000, le=2100)
    revision: int = Field(ge=1)
    title: str
    short_title: str
    procedure_noun: str
    unit: str
    setting: str
    consensus_number: str = ""
    period_note: str = ""


class Definition(Closed):
    """One TOML file: a measure of one specification year."""

    schema_version: int = Field(alias="schema", ge=1, le=1)
    measure: Head
    sources: Mapping[Name, str]
    options: Mapping[Name, Option] = Field(default_factory=dict)
    cohort: Cohort
    outcome: Outcome
    planned_admission: PlannedAdmission
    risk: RiskFactors
    score: Score

    def clauses(self) -> Iterator[tuple[str, Clause]]:
        """Yield every clause with its path in the file."""
        yield from _walk(self, "")


@dataclass(frozen=True)
class Measure:
    """A definition under chosen options: what the engine runs.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> measure = load_measure("ASC-12", year=2025)
    >>> measure.id, measure.scale.kind, measure.window
    ('ASC-12', 'per_1000', (0, 7))
    """

    definition: Definition = field(repr=False)
    chosen: Mapping[str, str]
    sha256: str
    file: str
    tables: CodeTables = field(default_factory=CodeTables, repr=False, compare=False)
    values_tables: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Measure id, for example `ASC-17`."""
        return self.definition.measure.id

    @property
    def spec_year(self) -> int:
        """Specification year of the definition."""
        return self.definition.measure.spec_year

    @property
    def window(self) -> tuple[int, int]:
        """First and last day of the outcome window, both inclusive; day 0 is the procedure date."""
        return self.definition.outcome.first_day, self.definition.outcome.last_day

    @cached_property
    def options(self) -> dict[str, str]:
        """Every option with its value under the choices made."""
        return {name: self.chosen.get(name, option.default) for name, option in self.definition.options.items()}

    @property
    def counts_planned(self) -> bool:
        """Whether planned admissions count as any other visit; by default they are dropped."""
        return self.definition.outcome.planned == "count"

    def holds(self, clause: Clause) -> bool:
        """Tell whether a clause holds under the options."""
        return clause.when is None or self.options[clause.when.option] in clause.when.is_in

    def active(self, clauses: Iterable[ClauseType]) -> list[ClauseType]:
        """Return the clauses that hold under the options, in order."""
        return [clause for clause in clauses if self.holds(clause)]

    @property
    def exclusions(self) -> list[Exclusion]:
        """Exclusions that hold, in the order of their reasons."""
        return self.active(self.definition.cohort.exclusions)  # type: ignore[type-var]

    @property
    def index_lines(self) -> list[IndexLine]:
        """Clauses on the lines that procedures are read from."""
        cohort = self.definition.cohort
        return self.active([cohort.facility_line, *cohort.further_lines])

    @property
    def visit_codes(self) -> list[VisitCodes]:
        """Code lists of ED visits and observation stays that hold."""
        return self.active(self.definition.outcome.visits)

    @property
    def factors(self) -> list[Factor]:
        """Risk factors that hold, in the order of the manual."""
        return self.active(self.definition.risk.factors)  # type: ignore[type-var]

    @property
    def planned_tables(self) -> list[PlannedTables]:
        """Versions of the planned admission tables that hold; more than one share the admission years."""
        return self.active(self.definition.planned_admission.tables)

    @property
    def condition_maps(self) -> list[ConditionMap]:
        """Maps from diagnosis codes to condition categories that hold."""
        return self.active(self.definition.risk.condition_maps)

    @property
    def index_day_settings(self) -> frozenset[str]:
        """Kinds of claims whose diagnoses of the procedure day count."""
        clauses = self.active(self.definition.risk.index_day_claims)
        return frozenset(setting for clause in clauses for setting in clause.settings)

    @property
    def complication_categories(self) -> frozenset[int]:
        """Condition categories that count only from history."""
        clauses = self.active(self.definition.risk.complication_of_care)
        return frozenset(category for clause in clauses for category in clause.categories)

    @property
    def scale(self) -> Scale:
        """Scale of the score."""
        return self.active(self.definition.score.scale)[0]

    @cached_property
    def factor_columns(self) -> list[str]:
        """Columns of the risk-factor table, in order."""
        columns = {factor.name: columns_of(factor) for factor in self.factors}
        for factor in self.factors:
            if isinstance(factor, Interaction):
                first, second = factor.factors
                columns[factor.name] = [f"{a}_x_{b}" for a in columns[first] for b in columns[second]]
        return [column for factor in self.factors for column in columns[factor.name]]

    def table(self, name: str) -> CodeTable:
        """Return a code table that the definition names: the project's, or the user's in its place."""
        return self.tables.get(name)

    def active_clauses(self) -> list[tuple[str, Clause]]:
        """Every clause that holds, with its path; a clause inside one that does not hold is left out."""
        return list(_walk(self.definition, "", self))

    def tables_used(self) -> list[str]:
        """Names of the code tables that the clauses in force use or took values from, sorted."""
        names = {
            value
            for _, clause in self.active_clauses()
            for key, value in clause
            if _names_a_table(key) and isinstance(value, str)
        }
        return sorted({*names, *self.values_tables})

    def with_options(self, choices: Mapping[str, str]) -> Measure:
        """Return the measure under other choices.

        Raises
        ------
        OptionError
            When an option or a value is not in the definition.
        """
        for name, value in choices.items():
            self._check_choice(name, value)
        return replace(self, chosen={**self.chosen, **choices})

    def _check_choice(self, name: str, value: str) -> None:
        options = self.definition.options
        if name not in options:
            raise OptionError(f"{self.id} has no option {name!r}", expected=f"one of {', '.join(sorted(options))}")
        if value not in options[name].choices:
            raise OptionError(
                f"{self.id}: option {name!r} cannot be {value!r}",
                expected=f"one of {', '.join(options[name].choices)}",
            )


def columns_of(factor: Factor) -> list[str]:
    """Return the columns of a factor in the risk-factor table; an interaction's follow from its factors."""
    match factor:
        case AgeBands():
            bounds = factor.lower_bounds
            inner = [f"{factor.name}_{low}_{high - 1}" for low, high in pairwise(bounds[1:])]
            return [*inner, f"{factor.name}_{bounds[-1]}_plus"]
        case ProcedureCount():
            bounds = factor.lower_bounds
            inner = [
                f"{factor.name}_{low}" if high == low + 1 else f"{factor.name}_{low}_{high - 1}"
                for low, high in pairwise(bounds[1:])
            ]
            return [*inner, f"{factor.name}_{bounds[-1]}_plus"]
        case ProcedureType():
            return [f"{factor.name}_{kind}" for kind in factor.types if kind != factor.reference]
        case Interaction():
            return []
        case _:
            return [factor.name]


def _names_a_table(key: str) -> bool:
    return key in TABLE_KEYS


def _walk(part: object, path: str, measure: Measure | None = None) -> Iterator[tuple[str, Clause]]:
    if isinstance(part, Clause):
        if measure is not None and not measure.holds(part):
            return
        yield path, part
    if isinstance(part, BaseModel):
        for name, value in part:
            yield from _walk(value, f"{path}.{name}" if path else name, measure)
    elif isinstance(part, Mapping):
        for name, value in part.items():
            yield from _walk(value, f"{path}.{name}", measure)
    elif isinstance(part, tuple):
        for position, value in enumerate(part):
            label = getattr(value, "id", None) or getattr(value, "name", None) or position
            yield from _walk(value, f"{path}[{label}]", measure)
