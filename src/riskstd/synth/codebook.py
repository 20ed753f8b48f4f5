"""What the generator knows about codes: which factor, list or category each one belongs to."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property

import numpy as np

from riskstd.codes import CodeSet
from riskstd.spec import Measure
from riskstd.spec.clauses import ConditionCategory, DiagnosisCode, DiagnosisPresent, ProcedureType
from riskstd.synth.plan import Vocabulary

YEARS = (2021, 2022, 2023, 2024)


class CodeBook:
    """Facts about every text of a vocabulary for one measure, as arrays by its number."""

    def __init__(self, measure: Measure, vocabulary: Vocabulary) -> None:
        self.measure = measure
        self.vocabulary = vocabulary
        self._categories: dict[str, frozenset[int]] = {}
        self._kept: dict[tuple[object, ...], np.ndarray] = {}
        self._maps = [
            (clause.only_codes_without_category, measure.table(clause.table).category_map())
            for clause in measure.condition_maps
        ]
        self._sets: dict[tuple[str, str, int | None], CodeSet] = {}
        self._direct = {f.name: CodeSet.of(f.codes) for f in measure.factors if isinstance(f, DiagnosisCode)}

    def categories(self, code: str) -> frozenset[int]:
        """Return the condition categories of an ICD-10-CM code."""
        if code not in self._categories:
            found: set[int] = set()
            for only_without, code_map in self._maps:
                if not (only_without and found):
                    found.update(int(category) for category in code_map.categories(code))
            self._categories[code] = frozenset(found)
        return self._categories[code]

    @cached_property
    def condition_factors(self) -> list[ConditionCategory | DiagnosisCode]:
        """Risk factors that come from diagnoses."""
        return [f for f in self.measure.factors if isinstance(f, ConditionCategory | DiagnosisCode)]

    def factors_of(self, code: str, *, index_day: bool) -> list[str]:
        """Return the factors that a diagnosis sets from history, or on the index day."""
        categories = self.categories(code)
        if index_day:
            categories = categories - self.measure.complication_categories
        return [
            factor.name
            for factor in self.condition_factors
            if (
                bool(categories & set(factor.categories))
                if isinstance(factor, ConditionCategory)
                else code in self._direct[factor.name]
            )
        ]

    def diagnosis_flags(self, *, index_day: bool) -> np.ndarray:
        """Return which text sets which condition factor, of shape (texts, factors)."""
        position = {factor.name: i for i, factor in enumerate(self.condition_factors)}

        def find(texts: list[str]) -> np.ndarray:
            flags = np.zeros((len(texts), len(position)), dtype=bool)
            for row, text in enumerate(texts):
                if text[0].isdigit():  # no ICD-10-CM code begins with a digit
                    continue
                for name in self.factors_of(text, index_day=index_day):
                    flags[row, position[name]] = True
            return flags

        return self._keep(("diagnosis_flags", index_day), find)

    def in_list(self, table: str, role: str, *, year: int | None = None) -> np.ndarray:
        """Return which text is a code of a list, valid in a service year."""
        codes = self.codes(table, role, year)
        return self._flags(("in_list", table, role, year), lambda text: text in codes)

    def codes(self, table: str, role: str, year: int | None = None) -> CodeSet:
        """Return a code list, valid in a service year."""
        key = (table, role, year)
        if key not in self._sets:
            self._sets[key] = self.measure.table(table).codes(role, year=year)
        return self._sets[key]

    def qualifying(self, year: int) -> CodeSet:
        """Return the qualifying codes of a service year."""
        clause = self.measure.definition.cohort.codes
        return self.codes(clause.table, clause.role, year)

    def excluding(self, clause: DiagnosisPresent) -> np.ndarray:
        """Return which text is an excluding ICD-10-CM diagnosis."""

        codes = self.measure.table(clause.table).codes(clause.role, system="ICD-10-CM")
        return self._flags(("excluding", clause.table, clause.role), lambda text: text in codes)

    def listed_in(self, year: int) -> np.ndarray:
        """Return which text is a qualifying code of a service year."""
        clause = self.measure.definition.cohort.codes
        return self.in_list(clause.table, clause.role, year=year)

    def relevant_diagnoses(self) -> np.ndarray:
        """Return which text is a diagnosis that any factor or exclusion of the measure asks for."""
        relevant = np.zeros(len(self.vocabulary.texts), dtype=bool)
        for index_day in (False, True):
            relevant |= self.diagnosis_flags(index_day=index_day).any(axis=1)
        for clause in self.measure.exclusions:
            if isinstance(clause, DiagnosisPresent):
                relevant |= self.excluding(clause)
        return relevant

    def work_rvu(self, code: str, year: int) -> float | None:
        """Return the work RVU of a code in a service year."""
        table = self.measure.table(self.measure.definition.cohort.record.work_rvu_table)
        found = table.work_rvu(code, year)
        return None if found is None else found[0]

    def type_of(self, factor: ProcedureType, code: str, year: int) -> str | None:
        """Return the procedure type of a code, None if it has none."""
        return next((kind for kind in factor.types if code in self.codes(factor.table, kind, year)), None)

    def _keep(self, key: tuple[object, ...], find: Callable[[list[str]], np.ndarray]) -> np.ndarray:
        """Return a row per text, worked out for those that the vocabulary has gained since the last call."""
        known = self._kept.get(key)
        texts = self.vocabulary.texts
        if known is None:
            self._kept[key] = find(texts)
        elif len(known) < len(texts):
            self._kept[key] = np.concatenate([known, find(texts[len(known) :])])
        return self._kept[key]

    def _flags(self, key: tuple[object, ...], test: Callable[[str], bool]) -> np.ndarray:
        def find(texts: list[str]) -> np.ndarray:
            return np.array([not _is_provider(text) and test(text) for text in texts], dtype=bool)

        return self._keep(key, find)


def _is_provider(text: str) -> bool:
    """Tell a provider number, of which there are many, from a code."""
    return len(text) == 10 and text.isdigit()


class PlannedTables:
    """The planned admission tables of a measure: which codes stand in which list."""

    def __init__(self, measure: Measure) -> None:
        clause = measure.planned_tables[0]
        lists = measure.table(clause.table)
        self._part = cache(lists.planned_part)
        self._diagnoses = measure.table(clause.diagnosis_categories).category_map()
        self._procedures = measure.table(clause.procedure_categories).category_map()

    def has_diagnosis(self, part: str, code: str) -> bool:
        """Tell whether a diagnosis stands in a list, by category or by itself."""
        return self.lists_category(part, "diagnosis", code) or code in self._part(part, "diagnosis_code")

    def has_procedure(self, part: str, code: str) -> bool:
        """Tell whether a procedure stands in a list, by category or by itself."""
        return self.lists_category(part, "procedure", code) or code in self._part(part, "procedure_code")

    def lists_category(self, part: str, kind: str, code: str) -> bool:
        """Tell whether a category of a code (`kind` diagnosis or procedure) stands in a list."""
        categories = self._diagnoses if kind == "diagnosis" else self._procedures
        listed = self._part(part, f"{kind}_category")
        return any(category in listed for category in categories.categories(code))

    def single_codes(self, part: str, kind: str) -> list[str]:
        """Return the codes that a list names one by one, sorted."""
        return sorted(self._part(part, f"{kind}_code").exact)
