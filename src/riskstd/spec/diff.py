"""What changed between two measures, or two code tables: clauses, options and codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from riskstd.spec.clauses import Clause
from riskstd.spec.codetables import CodeTable
from riskstd.spec.definition import TABLE_KEYS, Measure
from riskstd.spec.tablediff import CodeChange, diff_tables

_WORDS = frozenset({"when"})


@dataclass(frozen=True)
class FieldChange:
    """One key of a clause, before and after; of a list also what was added and removed."""

    key: str
    before: Any
    after: Any
    added: tuple[Any, ...] = ()
    removed: tuple[Any, ...] = ()


@dataclass(frozen=True)
class ClauseChange:
    """A clause that was added, removed or changed.

    Attributes
    ----------
    path : str
        Where it stands in the definition; with both names if it has another one now.
    change : {'added', 'removed', 'changed'}
    in_force : bool
        Whether it holds, on either side, under the options chosen there.
    says : str
        The clause in words, as it is now; as it was, if it was removed.
    source, origin : str
        Where it was read, and how sure that is.
    fields : tuple of FieldChange
        Keys that changed.
    """

    path: str
    change: str
    in_force: bool
    says: str
    source: str
    origin: str
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True)
class SpecDiff:
    """Everything that changed from one side to the other."""

    before: str
    after: str
    clauses: tuple[ClauseChange, ...]
    codes: tuple[CodeChange, ...]

    def __bool__(self) -> bool:
        return bool(self.clauses or self.codes)

    def to_dict(self) -> dict[str, Any]:
        """Return the changes as they go into JSON, every code of every list."""
        return asdict(self)


def diff(before: Measure | CodeTable, after: Measure | CodeTable) -> SpecDiff:
    """Compare two measures under their options, or two code tables.

    Parameters
    ----------
    before, after : Measure or CodeTable
        Both measures, or both tables of one kind.

    Returns
    -------
    SpecDiff
        Clauses that were added, removed or changed, those in force first, and codes of the tables that they use.

    Raises
    ------
    SpecError
        When the two cannot be compared.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> a = load_measure("ASC-18")
    >>> found = diff(a, a.with_options({"planned_admission_tables": "ry2024"}))
    >>> [(change.path, change.change) for change in found.clauses]
    [('options.planned_admission_tables', 'changed'), ('planned_admission.tables[ry2021 -> ry2024]', 'changed')]
    >>> [(change.group, change.added) for change in found.codes if change.added]
    [('PA4 diagnosis_category', ('237', '661'))]
    """
    if isinstance(before, CodeTable) or isinstance(after, CodeTable):
        return SpecDiff(_name(before), _name(after), (), tuple(diff_tables(before, after)))
    clauses = tuple(_clause_changes(before, after))
    return SpecDiff(_name(before), _name(after), clauses, tuple(_code_changes(before, after)))


def _name(side: Measure | CodeTable) -> str:
    if isinstance(side, CodeTable):
        return f"{side.name} ({side.provenance.version})"
    chosen = ", ".join(f"{name}={value}" for name, value in sorted(side.chosen.items()))
    return f"{side.id} {side.spec_year}, {side.file}" + (f" with {chosen}" if chosen else "")


# ---- clauses ----------------------------------------------------------------------------------


def _clause_changes(before: Measure, after: Measure) -> Iterator[ClauseChange]:
    yield from _compared(_in_force(before), _in_force(after), before, after, in_force=True)
    yield from _compared(_dormant(before, after), _dormant(after, before), before, after, in_force=False)


def _in_force(measure: Measure) -> dict[str, Clause]:
    return dict(_numbered(measure.active_clauses()))


def _dormant(measure: Measure, other: Measure) -> dict[str, Clause]:
    """Clauses that hold on neither side, by path and condition: those that an option alone switches are no change."""
    held = {id(clause) for each in (measure, other) for _, clause in each.active_clauses()}
    clauses = [(path, clause) for path, clause in measure.definition.clauses() if id(clause) not in held]
    said = {_content(clause) for _, clause in other.definition.clauses()}
    return dict(_numbered((path, clause) for path, clause in clauses if _content(clause) not in said))


def _numbered(clauses: Iterable[tuple[str, Clause]]) -> Iterator[tuple[str, Clause]]:
    seen: dict[str, int] = {}
    for path, clause in clauses:
        seen[path] = seen.get(path, 0) + 1
        yield path if seen[path] == 1 else f"{path}#{seen[path]}", clause


def _content(clause: Clause) -> str:
    return f"{type(clause).__name__} {clause.model_dump_json()}"


def _compared(
    old: dict[str, Clause], new: dict[str, Clause], before: Measure, after: Measure, *, in_force: bool
) -> Iterator[ClauseChange]:
    gone = [path for path in old if path not in new]
    come = [path for path in new if path not in old]
    renamed = _renamed(gone, come, old, new)
    for path in [*old, *come]:
        if path in renamed.values():
            continue
        now = renamed.get(path, path)
        label = path if now == path else _both_names(path, now)
        yield from _change(label, old.get(path), new.get(now), before, after, in_force)


def _renamed(gone: list[str], come: list[str], old: dict[str, Clause], new: dict[str, Clause]) -> dict[str, str]:
    """Pair a clause that went with the one of its kind that came in the same place, if there is one of each."""

    def place(path: str, clause: Clause) -> tuple[str, type[Clause]]:
        return path.partition("[")[0], type(clause)

    pairs = {}
    for path in gone:
        here = place(path, old[path])
        went = [other for other in gone if place(other, old[other]) == here]
        came = [other for other in come if place(other, new[other]) == here]
        if len(went) == len(came) == 1:
            pairs[path] = came[0]
    return pairs


def _both_names(old: str, new: str) -> str:
    return old[:-1] + " -> " + new.partition("[")[2] if old.endswith("]") else f"{old} -> {new}"


def _change(
    path: str, old: Clause | None, new: Clause | None, before: Measure, after: Measure, in_force: bool
) -> Iterator[ClauseChange]:
    shown = new if new is not None else old
    if shown is None:
        return
    if old is None or new is None:
        what = "added" if old is None else "removed"
        yield ClauseChange(path, what, in_force, shown.says, shown.source, shown.origin)
        return
    fields = (*_chosen(path, before, after), *_fields(old, new))
    if fields:
        yield ClauseChange(path, "changed", in_force, shown.says, shown.source, shown.origin, fields)


def _chosen(path: str, before: Measure, after: Measure) -> Iterator[FieldChange]:
    head, _, name = path.partition(".")
    if head == "options" and before.options.get(name) != after.options.get(name):
        yield FieldChange("chosen", before.options.get(name), after.options.get(name))


def _fields(old: Clause, new: Clause) -> Iterator[FieldChange]:
    for key in dict.fromkeys((*type(old).model_fields, *type(new).model_fields)):
        first, second = (_plain(getattr(clause, key, None)) for clause in (old, new))
        if first == second or key in _WORDS or _holds_clauses(getattr(new, key, None)):
            continue
        if isinstance(first, list) and isinstance(second, list):
            added = tuple(item for item in second if item not in first)
            removed = tuple(item for item in first if item not in second)
            yield FieldChange(key, first, second, added, removed)
        else:
            yield FieldChange(key, first, second)


def _holds_clauses(value: object) -> bool:
    return isinstance(value, Clause) or (isinstance(value, tuple) and any(isinstance(v, Clause) for v in value))


def _plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


# ---- codes ------------------------------------------------------------------------------------


def _code_changes(before: Measure, after: Measure) -> Iterator[CodeChange]:
    """Codes of the tables that clauses in force use, each pair of tables and roles once."""
    old, new = (dict(_numbered(side.active_clauses())) for side in (before, after))
    gone = [path for path in old if path not in new]
    come = [path for path in new if path not in old]
    renamed = _renamed(gone, come, old, new)
    done = set()
    for path, clause in old.items():
        other = new.get(renamed.get(path, path))
        for key in TABLE_KEYS:
            names = getattr(clause, key, None), getattr(other, key, None)
            roles = _roles(clause), _roles(other)
            if None in names or (names, roles) in done:
                continue
            done.add((names, roles))
            wanted = roles if key == "table" else (None, None)
            yield from diff_tables(before.table(str(names[0])), after.table(str(names[1])), roles=wanted)


def _roles(clause: Clause | None) -> frozenset[str] | None:
    role = getattr(clause, "role", None)
    types = getattr(clause, "types", None)
    if role is not None:
        return frozenset({role})
    return frozenset(types) if types is not None else None
