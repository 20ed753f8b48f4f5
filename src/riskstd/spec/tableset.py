"""The code tables that a measure is loaded with: the project's, and a user's in their place."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from riskstd.errors import SpecError
from riskstd.spec.codetables import CodeTable, Provenance, code_table_names, load_code_table
from riskstd.spec.folder import DefinitionFolder
from riskstd.spec.years import Years

CONDITION_CATEGORIES = "condition_categories"
"""Every imported map to condition categories stands for this; see `CodeTables.get`."""
_MERGED_KINDS = frozenset({"code_list", "work_rvu"})


@dataclass(frozen=True, eq=False)
class CodeTables:
    """The project's code tables, with those of a definition folder in their place.

    Parameters
    ----------
    folder : DefinitionFolder, optional
        The user's folder.

    Examples
    --------
    >>> CodeTables().get("work_rvu").provenance.kind
    'work_rvu'
    """

    folder: DefinitionFolder | None = None
    _merged: dict[str, CodeTable] = field(default_factory=dict, repr=False)

    def get(self, name: str) -> CodeTable:
        """Return a table by the name that definitions use.

        A user's table of that name comes first. Code lists and work RVUs of the project take in the imports that
        stand for them: an imported role takes the place of the project's rows of that role, but for public rows of
        other years; an imported year of work RVUs takes the place of that year. Maps to condition categories of the
        project lose the categories that every imported map holds. A table that the project does not have, such as
        `asc_covered_procedures`, is put together from the imports alone.

        Raises
        ------
        SpecError
            When there is no such table, or it is not what its entry says.
        """
        if self.folder is None:
            return load_code_table(name)
        if name not in self._merged:
            self._merged[name] = self._get(self.folder, name)
        return self._merged[name]

    def names(self) -> list[str]:
        """Return the names of all tables, sorted."""
        own = [] if self.folder is None else list(self.folder.entries)
        return sorted({*code_table_names(), *own})

    def imports(self, stands_for: str) -> list[str]:
        """Return the names of the user's tables that stand for one of the project, by years."""
        return [] if self.folder is None else self.folder.standing_for(stands_for)

    @cached_property
    def imported_categories(self) -> frozenset[str]:
        """Condition categories that every imported map holds."""
        held = [{row["category"] for row in self.get(name).rows} for name in self.imports(CONDITION_CATEGORIES)]
        return frozenset(set.intersection(*held)) if held else frozenset()

    def _get(self, folder: DefinitionFolder, name: str) -> CodeTable:
        if name in folder.entries:
            return folder.table(name)
        editions = [folder.table(key) for key in folder.standing_for(name)]
        if editions and name not in code_table_names():
            return _merge(_empty(name, editions[0]), editions)
        table = load_code_table(name)
        if editions and table.provenance.kind in _MERGED_KINDS:
            return _merge(table, editions)
        if name.startswith(CONDITION_CATEGORIES) and self.imported_categories:
            return _without_categories(table, self.imported_categories)
        return table


def same_as_project(table: CodeTable) -> bool:
    """Tell whether a table is that of the project of its name."""
    return table.name in code_table_names() and load_code_table(table.name).sha256 == table.sha256


def edition_spans(editions: list[Provenance]) -> list[str]:
    """Share all service years among editions: each holds from its year to the next edition's, the first before it too.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> edition_spans([SimpleNamespace(years="2022"), SimpleNamespace(years="2024")])
    ['-2023', '2024-']
    >>> edition_spans([SimpleNamespace(years="2022")]), edition_spans([])
    ([''], [])
    """
    if not editions:
        return []
    _refuse_same_start(editions)
    starts = [min((first for first, _ in Years.of(entry.years).spans), default=0) for entry in editions]
    firsts = ["", *map(str, starts[1:])]
    lasts = [*(str(start - 1) for start in starts[1:]), ""]
    return [first if first == last else f"{first}-{last}" for first, last in zip(firsts, lasts, strict=True)]


def _refuse_same_start(editions: list[Provenance]) -> None:
    spans = [Years.of(entry.years).spans[:1] for entry in editions]
    if len(set(spans)) < len(spans):
        named = ", ".join(f"{entry.file} ({entry.years or 'all years'})" for entry in editions)
        raise SpecError(
            f"tables of the definition folder that stand for one another have the same years: {named}",
            expected="other years for each, as `years` in tables/index.toml",
        )


def _empty(name: str, edition: CodeTable) -> CodeTable:
    facts = {"version": "imported", "file": "", "years": "", "source_file": "", "sha256": "", "stands_for": ""}
    return CodeTable(name, edition.provenance.model_copy(update=facts), (), hashlib.sha256(b"").hexdigest())


def _merge(table: CodeTable, editions: list[CodeTable]) -> CodeTable:
    merge = _merge_lists if table.provenance.kind == "code_list" else _merge_values
    digest = hashlib.sha256("".join(t.sha256 for t in (table, *editions)).encode())
    versions = "; ".join(edition.provenance.version for edition in editions)
    return CodeTable(
        table.name,
        table.provenance.model_copy(update={"version": f"{table.provenance.version}; imported: {versions}"}),
        tuple(merge(table, editions)),
        digest.hexdigest(),
        tuple(edition.provenance for edition in editions),
    )


def _merge_lists(table: CodeTable, editions: list[CodeTable]) -> Iterator[dict[str, str]]:
    imported = {row["role"] for edition in editions for row in edition.rows}
    years = {year for edition in editions for year in _years_listed(edition.provenance.years)}
    for row in table.rows:
        left = [year for year in _years_listed(row["years"]) if year not in years]
        if row["role"] not in imported:
            yield row
        elif left and row["origin"] == "cms_public":
            yield row | {"years": " ".join(map(str, left))}
    for role in sorted(imported):
        having = [edition for edition in editions if role in edition.roles()]
        spans = edition_spans([edition.provenance for edition in having])
        for edition, span in zip(having, spans, strict=True):
            yield from (row | {"years": row["years"] or span} for row in edition.rows if row["role"] == role)


def _merge_values(table: CodeTable, editions: list[CodeTable]) -> Iterator[dict[str, str]]:
    imported = {year for edition in editions for year in _years_listed(edition.provenance.years)}
    for row in table.rows:
        left = [year for year in _years_listed(row["years"]) if year not in imported]
        if left:
            yield row | {"years": " ".join(map(str, left)), "origin": table.provenance.origin}
    for edition in editions:
        yield from (row | {"origin": edition.provenance.origin} for row in edition.rows)


def _years_listed(text: str) -> list[int]:
    """Years one by one; none for all years or open ends."""
    spans = Years.of(text).spans
    if any(first == 0 or last == 9999 for first, last in spans):
        return []
    return [year for first, last in spans for year in range(first, last + 1)]


def _without_categories(table: CodeTable, categories: frozenset[str]) -> CodeTable:
    rows = tuple(row for row in table.rows if row["category"] not in categories)
    text = table.sha256 + " ".join(sorted(categories))
    return replace(table, rows=rows, sha256=hashlib.sha256(text.encode()).hexdigest())
