"""What the workbooks of all facilities of a run share, computed once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from riskstd.errors import InputError
from riskstd.report.cases import Cases
from riskstd.report.content import ReportInput
from riskstd.report.disclosure.counts import count_run
from riskstd.report.disclosure.facilities import read_facilities
from riskstd.report.workbook.protect import BoolArray, FloatArray, Groups, IntArray, Seen, protect_table
from riskstd.spec.clauses import Interaction
from riskstd.spec.definition import columns_of
from riskstd.tables import coded_texts

CATEGORY = "category"
OUTCOME = "outcome"
VOLUME_LABEL = "Peers of similar volume"
NATION_LABEL = "Nation"
_QUARTERS = ("with the fewest cases", "below the middle", "above the middle", "with the most cases")


class FacilityDirectory(Protocol):
    """Names and states of facilities, from a file of the user."""

    def name_of(self, npi: str) -> str | None:
        """Name of a facility, if known."""
        ...

    def state_of(self, npi: str) -> str | None:
        """State of a facility, if known."""
        ...


@dataclass(frozen=True)
class Block:
    """Columns of the risk factors that exclude each other, such as age classes; the rest is one more class."""

    name: str
    columns: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class WorkbookShared:
    """Facts of the run that are the same in every facility's workbook.

    Attributes
    ----------
    content : ReportInput
    rates : mapping of str to ndarray
        Columns of `facility_rates` in the order of `ids`.
    ids : ndarray of str, shape (n_facilities,)
        Facilities with cases, sorted.
    names, states : mapping of str to str
        From the directory; empty without one.
    blocks : tuple of Block
        Risk factors of 0 and 1, those that exclude each other together.
    tables : mapping of str to ndarray, shape (n_facilities, n_columns)
        Counts per facility: cases by outcome, by class of each block, and the facility's own category.
    factor_sums : ndarray, shape (n_facilities, n_factors)
    nation, peers : Groups
    by_state : Groups or None
        None without a directory.
    products : frozenset of int
        Factors that are products of others; of groups they are not shown.
    """

    content: ReportInput = field(repr=False)
    rates: Mapping[str, Any] = field(repr=False)
    ids: Any = field(repr=False)
    names: Mapping[str, str] = field(repr=False)
    states: Mapping[str, str] = field(repr=False)
    blocks: tuple[Block, ...] = field(repr=False)
    tables: Mapping[str, IntArray] = field(repr=False)
    factor_sums: FloatArray = field(repr=False)
    nation: Groups = field(repr=False)
    peers: Groups = field(repr=False)
    by_state: Groups | None = field(repr=False)
    products: frozenset[int] = field(repr=False)

    @classmethod
    def of(cls, content: ReportInput, cases: Cases, directory: FacilityDirectory | None = None) -> WorkbookShared:
        """Add up the cases of a run by facility and by group of facilities.

        Parameters
        ----------
        content : ReportInput
        cases : Cases
            Of the same run.
        directory : FacilityDirectory, optional
            Names and states of facilities; without it there is no comparison with a state.

        Returns
        -------
        WorkbookShared

        Raises
        ------
        InputError
            When the run came to no rates, or the cases are not those of the run.
        """
        rates = _aligned_rates(content, cases)
        ids = cases.facility_ids
        n_cases = rates["cases"]
        starts = np.append(0, np.cumsum(n_cases))[:-1]
        sums = (
            np.add.reduceat(cases.X, starts, axis=0, dtype=np.float64) if cases.X.shape[1] else np.zeros((len(ids), 0))
        )
        products = _products(content, cases)
        blocks = _blocks(content, cases, products)
        tables = {
            CATEGORY: _category_table(content, rates["category"]),
            OUTCOME: np.column_stack([rates["observed"], n_cases - rates["observed"]]),
            **{block.name: _class_table(sums, block, n_cases) for block in blocks},
        }
        nation = Groups.of((NATION_LABEL,), np.zeros(len(ids), dtype=np.int64), n_cases, tables)
        quarter = np.searchsorted(np.quantile(n_cases, [0.25, 0.5, 0.75]), n_cases, side="left")
        peers = Groups.of((VOLUME_LABEL,) * 4, quarter, n_cases, tables, nation)
        names, states = _directory_facts(directory, ids)
        by_state = None
        if directory is not None:
            labels, place = np.unique([states.get(npi, "") for npi in ids.tolist()], return_inverse=True)
            texts = tuple(f"State ({label})" if label else "" for label in labels.tolist())
            by_state = Groups.of(texts, place, n_cases, tables, nation)
        return cls(content, rates, ids, names, states, blocks, tables, sums, nation, peers, by_state, products)

    def place_of(self, facility_id: str) -> int:
        """Place of a facility in the arrays.

        Raises
        ------
        InputError
            When it has no cases in the run.
        """
        place = int(np.searchsorted(self.ids, facility_id))
        if place == len(self.ids) or self.ids[place] != facility_id:
            raise InputError(
                f"facility {facility_id!r} has no cases in this run",
                expected=f"one of {len(self.ids):,} facilities, by the id in facility_rates.csv",
            )
        return place

    def groups_seen_by(self, place: int, *, nation_only: bool) -> tuple[Seen, ...]:
        """Groups that a facility is compared with, the nation last."""
        own = {name: table[place] for name, table in self.tables.items()}
        groups = [] if nation_only else [self.peers]
        if not nation_only and self.by_state is not None and self.by_state.labels[self.by_state.place[place]]:
            groups.append(self.by_state)
        nation = self.nation.seen_by(place, own)
        if self.hidden_of_nation & {"cases", "events"}:
            nation = replace(nation, is_shown=False)
        return (*(group.seen_by(place, own) for group in groups), nation)

    def quarter_of(self, place: int) -> str:
        """Words for the quarter of facilities by volume that a facility belongs to."""
        return _QUARTERS[self.peers.place[place]]

    @cached_property
    def hidden_in_public(self) -> tuple[BoolArray, BoolArray]:
        """Per facility: whether its case count is hidden from the public, and whether its results are."""
        facilities = read_facilities(self.content, "public")
        order = np.searchsorted(self.ids, facilities.frame["facility_id"].to_numpy(dtype=object).astype(str))
        hide_cases, hide_results = np.empty(len(self.ids), dtype=bool), np.empty(len(self.ids), dtype=bool)
        hide_cases[order], hide_results[order] = facilities.hide_cases, facilities.hide_results
        return hide_cases, hide_results | hide_cases

    @cached_property
    def classes_hidden_in_public(self) -> Mapping[str, BoolArray]:
        """Per block: the classes of each facility whose counts are hidden from the public."""
        hide_cases, _ = self.hidden_in_public
        hidden = {}
        for block in self.blocks:
            table = self.tables[block.name]
            rows = np.vstack([table[~hide_cases], table[hide_cases].sum(axis=0)])
            start = np.zeros(rows.shape, dtype=bool)
            start[-1] = hide_cases.any()
            chosen = np.ones(table.shape, dtype=bool)
            chosen[~hide_cases] = protect_table(rows, ~self.nation.hidden[block.name][0], start)[:-1]
            hidden[block.name] = chosen
        return hidden

    @cached_property
    def hidden_of_nation(self) -> frozenset[str]:
        """Counts of the run that its public report hides, by name; no workbook shows them either."""
        return count_run(self.content, "public").hidden

    @cached_property
    def block_of(self) -> Mapping[int, tuple[str, int]]:
        """Block and class of each factor of 0 and 1, by its column."""
        return {column: (block.name, k) for block in self.blocks for k, column in enumerate(block.columns)}

    @cached_property
    def is_scored(self) -> BoolArray:
        """Whether a facility has the minimum of cases for a category."""
        return self.rates["cases"] >= self.content.measure.definition.score.categories.minimum_cases


def category_names(content: ReportInput) -> tuple[str, ...]:
    """Categories in the order of the counts; the last is that of facilities without one."""
    labels = content.measure.definition.score.categories.labels
    return (labels.better, labels.no_different, labels.worse, labels.too_few, "No category")


def _aligned_rates(content: ReportInput, cases: Cases) -> dict[str, Any]:
    """Columns of the rates in the order of the facilities of the cases."""
    if content.rates is None:
        raise InputError(
            "a run without rates has no facility workbooks", expected="a run with rates", hint=content.no_model_reason
        )
    found = content.rates["facility_id"].to_numpy(dtype=object).astype(str)
    order = np.argsort(found, kind="stable")
    same = len(cases) == content.n_cases and np.array_equal(found[order], cases.facility_ids)
    rates = {name: content.rates[name].to_numpy()[order] for name in content.rates.columns}
    counts = np.bincount(coded_texts(cases.procedures["facility_id"])[1])
    if not same or not np.array_equal(counts, rates["cases"]):
        raise InputError(
            f"{len(cases):,} cases of {len(cases.facility_ids):,} facilities do not belong to rates of "
            f"{len(found):,} facilities",
            expected="cases and rates of one run",
        )
    return {**rates, "cases": rates["cases"].astype(np.int64), "observed": rates["observed"].astype(np.int64)}


def _category_table(content: ReportInput, found: Any) -> IntArray:
    names = category_names(content)[:-1]
    table = np.column_stack([*(found == name for name in names), np.zeros(len(found), dtype=bool)])
    table[:, -1] = ~table.any(axis=1)
    return table.astype(np.int64)


def _class_table(sums: FloatArray, block: Block, n_cases: IntArray) -> IntArray:
    classes = np.rint(sums[:, list(block.columns)]).astype(np.int64)
    return np.column_stack([classes, n_cases - classes.sum(axis=1)])


def _products(content: ReportInput, cases: Cases) -> frozenset[int]:
    """Columns that an interaction of the definition made."""
    factors = content.measure.factors
    made = {
        f"{a}_x_{b}"
        for factor in factors
        if isinstance(factor, Interaction)
        for a in _columns_named(content, factor.factors[0])
        for b in _columns_named(content, factor.factors[1])
    }
    return frozenset(k for k, factor in enumerate(cases.factors) if factor.name in made)


def _columns_named(content: ReportInput, name: str) -> Sequence[str]:
    return next((columns_of(factor) for factor in content.measure.factors if factor.name == name), [name])


def _blocks(content: ReportInput, cases: Cases, products: frozenset[int]) -> tuple[Block, ...]:
    """Put the flags of one factor of the definition together, every other flag for itself."""
    owner = {column: factor.name for factor in content.measure.factors for column in columns_of(factor)}
    members: dict[str, list[int]] = {}
    for k, factor in enumerate(cases.factors):
        if factor.is_flag and k not in products:
            members.setdefault(owner.get(factor.name, factor.name), []).append(k)
    blocks: list[Block] = []
    for name, columns in members.items():
        exclusive = bool(np.all(cases.X[:, columns].sum(axis=1) <= 1))
        parts = [columns] if exclusive else [[column] for column in columns]
        blocks += [Block(f"factor {name} {k}", tuple(part)) for k, part in enumerate(parts)]
    return tuple(blocks)


def _directory_facts(directory: FacilityDirectory | None, ids: Any) -> tuple[dict[str, str], dict[str, str]]:
    if directory is None:
        return {}, {}
    names = {npi: name for npi in ids.tolist() if (name := directory.name_of(npi))}
    states = {npi: state for npi in ids.tolist() if (state := directory.state_of(npi))}
    return names, states
