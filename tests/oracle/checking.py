"""Oracle against engine on random claims: one set, or many in one run; failing sets are made small."""

from __future__ import annotations

from oracle.chooser import SeededChooser
from oracle.compare import differences
from oracle.engine import run_engine
from oracle.judge import Judgement, judge
from oracle.palette import palette_of
from oracle.randomclaims import PEOPLE_PER_SET, Tables, Terms, random_claims, random_terms, without_columns
from riskstd.spec import load_measure

BY_SET = ("procedures", "excluded", "visits", "outcomes", "risk_factors")


def disagreements(tables: Tables, measure_id: str, terms: Terms) -> list[str]:
    """Return where oracle and engine differ on one set of claims, run alone."""
    measure = load_measure(measure_id, options=dict(terms.options))
    tables = without_columns(tables, terms.absent)
    return differences(
        judge(tables, measure, absent=terms.absent, period=terms.period),
        run_engine(tables, measure, absent=terms.absent, period=terms.period),
    )


def batch_disagreements(measure_id: str, seed: int, sets: int) -> list[str]:
    """Judge many random sets in one engine run; on a difference, return a small set that shows it."""
    terms = random_terms(SeededChooser(seed), load_measure(measure_id))
    palette = palette_of(measure_id)
    batch = [random_claims(SeededChooser(seed * 100_003 + n), palette, n) for n in range(sets)]
    failing = failing_sets(batch, measure_id, terms)
    if not failing:
        return disagreements(merged(batch), measure_id, terms)
    number, found = failing[0]
    small = small_disagreement(batch[number], found, measure_id, terms, number)
    return [f"{len(failing)} of {sets} sets differ; one of them, made small:", *small]


def small_disagreement(claims: Tables, found: list[str], measure_id: str, terms: Terms, number: int = 0) -> list[str]:
    """Return the differences of a small set that still differs, and its picture."""
    small, found = smallest(claims, found, number, measure_id, terms)
    return [*found, picture(small, measure_id, terms)]


def failing_sets(batch: list[Tables], measure_id: str, terms: Terms) -> list[tuple[int, list[str]]]:
    """Return the position of every set in which oracle and engine differ, with the differences."""
    measure = load_measure(measure_id, options=dict(terms.options))
    tables = without_columns(merged(batch), terms.absent)
    engine = split(run_engine(tables, measure, absent=terms.absent, period=terms.period))
    found = []
    for number, claims in enumerate(batch):
        ours = judge(without_columns(claims, terms.absent), measure, absent=terms.absent, period=terms.period)
        differ = differences(ours, engine.get(number, Judgement()), BY_SET)
        if differ:
            found.append((number, differ))
    return found


def merged(batch: list[Tables]) -> Tables:
    """Return many sets of claims as one."""
    tables: Tables = {}
    for claims in batch:
        for name, rows in claims.items():
            tables.setdefault(name, []).extend(rows)
    return tables


def split(judgement: Judgement) -> dict[int, Judgement]:
    """Return the part of every set."""
    parts: dict[int, Judgement] = {}
    for name in BY_SET:
        for row in getattr(judgement, name):
            part = parts.setdefault(row["person_key"] // PEOPLE_PER_SET, Judgement())
            getattr(part, name).append(row)
    return parts


def smallest(claims: Tables, found: list[str], number: int, measure_id: str, terms: Terms) -> tuple[Tables, list[str]]:
    """Take people, then rows away while a difference stays; all ways to do so share one engine run."""
    parts = len({row["person_key"] for rows in claims.values() for row in rows})
    way_of = people_taken_away
    while True:
        smaller = [as_set(part, number, n) for n, part in enumerate(way_of(claims, parts))]
        failing = failing_sets(smaller, measure_id, terms)
        if failing:
            position, found = failing[0]
            claims, number = smaller[position], position
        elif way_of is people_taken_away:
            way_of, parts = rows_taken_away, 4
        elif parts < len(removable(claims)):
            parts *= 2
        else:
            return claims, found


def people_taken_away(claims: Tables, parts: int) -> list[Tables]:
    """Return every way to leave one person out."""
    keys = sorted({row["person_key"] for rows in claims.values() for row in rows})
    return [
        {name: [row for row in rows if row["person_key"] != key] for name, rows in claims.items()}
        for key in keys
        if len(keys) > 1
    ]


def removable(claims: Tables) -> list[tuple[str, int]]:
    """Return every row but those of people and enrollment, which are dull but needed."""
    names = [name for name in claims if name not in ("people", "enrollment")]
    return [(name, position) for name in names for position in range(len(claims[name]))]


def rows_taken_away(claims: Tables, parts: int) -> list[Tables]:
    """Return the ways to leave out one of so many parts of the rows."""
    rows = removable(claims)
    size = max(1, -(-len(rows) // parts))
    ways = []
    for start in range(0, len(rows), size):
        gone = set(rows[start : start + size])
        ways.append(
            {
                name: [row for position, row in enumerate(content) if (name, position) not in gone]
                for name, content in claims.items()
            }
        )
    return ways


def as_set(claims: Tables, old: int, new: int) -> Tables:
    """Return a set under another number."""
    shift = (new - old) * PEOPLE_PER_SET
    return {name: [{**row, "person_key": row["person_key"] + shift} for row in rows] for name, rows in claims.items()}


def picture(claims: Tables, measure_id: str, terms: Terms) -> str:
    """Draw a set of claims as text, without columns that are empty throughout."""
    lines = [f"{measure_id} {terms}"]
    for name, rows in claims.items():
        if name == "enrollment":
            rows = [row for row in rows if (row["buy_in"], row["hmo"]) != ("3", "0")]
            lines.append(f"enrollment: {len(claims[name])} months, of them not 3 / 0:")
        else:
            lines.append(f"{name}:" if rows else f"{name}: none")
        lines += ["  " + ", ".join(f"{k}={v}" for k, v in row.items() if v is not None) for row in rows]
    return "\n".join(lines)
