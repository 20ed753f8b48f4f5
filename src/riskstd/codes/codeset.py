"""Sets of codes and maps from codes to categories, written as codes, prefixes and ranges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from riskstd.codes.text import normalize_code
from riskstd.errors import SpecError


@dataclass(frozen=True)
class CodeSet:
    """Codes listed one by one, and prefixes that take every code below them.

    Parameters
    ----------
    exact : frozenset of str
        Whole codes.
    prefixes : frozenset of str
        Beginnings; every code that starts with one belongs to the set.

    Examples
    --------
    >>> ibd = CodeSet.of(["K50*", "K51*", "K5720"])
    >>> "K5090" in ibd, "K57.20" in ibd, "K5721" in ibd
    (True, True, False)
    """

    exact: frozenset[str] = frozenset()
    prefixes: frozenset[str] = frozenset()

    @classmethod
    def of(cls, patterns: Iterable[str]) -> CodeSet:
        """Build a set from codes; a pattern ending in `*` is a prefix, `A..B` an inclusive range."""
        exact: set[str] = set()
        prefixes: set[str] = set()
        for pattern in patterns:
            if pattern.endswith("*"):
                prefixes.add(normalize_code(pattern[:-1]))
            elif ".." in pattern:
                exact.update(expand_range(pattern))
            else:
                exact.add(normalize_code(pattern))
        return cls(frozenset(exact), frozenset(prefixes))

    def __contains__(self, code: object) -> bool:
        if not isinstance(code, str):
            return False
        plain = normalize_code(code)
        return plain in self.exact or any(plain[:n] in self.prefixes for n in range(1, len(plain) + 1))

    def __len__(self) -> int:
        return len(self.exact) + len(self.prefixes)

    def __or__(self, other: CodeSet) -> CodeSet:
        return CodeSet(self.exact | other.exact, self.prefixes | other.prefixes)

    def select(self, codes: Iterable[str]) -> list[str]:
        """Return the given codes that belong to the set, sorted."""
        return sorted({code for code in codes if code in self})


@dataclass(frozen=True)
class CodeMap:
    """Map from codes to categories: the entry with the longest matching beginning decides.

    An entry is a whole code or a prefix; the categories of shorter entries do not
    add to those of a longer one.

    Examples
    --------
    >>> ccs = CodeMap.of({"45": ["Z510*", "Z5111"], "254": ["Z51*"]})
    >>> ccs.categories("Z5111"), ccs.categories("Z519"), ccs.categories("A00")
    (('45',), ('254',), ())
    """

    exact: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, patterns_by_category: Mapping[str, Iterable[str]]) -> CodeMap:
        """Build a map from patterns (as in `CodeSet.of`) listed by category."""
        exact: dict[str, set[str]] = {}
        prefixes: dict[str, set[str]] = {}
        for category, patterns in patterns_by_category.items():
            codes = CodeSet.of(patterns)
            for code in codes.exact:
                exact.setdefault(code, set()).add(category)
            for prefix in codes.prefixes:
                prefixes.setdefault(prefix, set()).add(category)
        return cls(_frozen(exact), _frozen(prefixes))

    def categories(self, code: str) -> tuple[str, ...]:
        """Return the categories of a code, sorted; none if no entry matches."""
        plain = normalize_code(code)
        if plain in self.exact:
            return self.exact[plain]
        for length in range(len(plain), 0, -1):
            found = self.prefixes.get(plain[:length])
            if found is not None:
                return found
        return ()

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and bool(self.categories(code))


def expand_range(pattern: str) -> list[str]:
    """Expand `first..last`: codes of one length that differ in their trailing digits.

    Raises
    ------
    SpecError
        When the ends differ in length, in their beginning, or run backwards.

    Examples
    --------
    >>> expand_range("G0380..G0384")
    ['G0380', 'G0381', 'G0382', 'G0383', 'G0384']
    """
    first, last = (normalize_code(end) for end in pattern.split("..", 1))
    head = first.rstrip("0123456789")
    digits_first, digits_last = first[len(head) :], last[len(head) :]
    if len(first) != len(last) or not last.startswith(head) or not digits_last.isdigit():
        raise SpecError(f"code range {pattern!r} has ends that do not match", expected="for example G0380..G0384")
    if int(digits_last) < int(digits_first):
        raise SpecError(f"code range {pattern!r} runs backwards", expected="first..last")
    width = len(digits_first)
    return [f"{head}{number:0{width}d}" for number in range(int(digits_first), int(digits_last) + 1)]


def _frozen(sets: Mapping[str, set[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(sorted(values, key=_category_order)) for key, values in sets.items()}


def _category_order(category: str) -> tuple[int, str]:
    return (int(category), "") if category.isdigit() else (1 << 30, category)
