"""What the lists of a data dictionary give, as tables."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from riskstd.errors import InputError
from riskstd.importing.fee_schedule import CPT_NOTE
from riskstd.importing.mapping import DictionaryMapping
from riskstd.importing.newtable import GRADE, ORIGIN, NewTable, list_rows


@dataclass
class Taken:
    """What the lists of a mapping give, by where it goes."""

    lists: dict[str, dict[tuple[str, ...], list[str]]] = field(default_factory=dict)
    planned: dict[tuple[str, ...], list[str]] = field(default_factory=dict)
    values: dict[tuple[str, str], list[str]] = field(default_factory=dict)


def dictionary_tables(plan: DictionaryMapping, taken: Taken, file: str) -> list[NewTable]:
    """Make the tables of what the lists of a mapping gave.

    Raises
    ------
    InputError
        When some but not all parts of the planned admission algorithm are there.
    """
    version = f"data dictionary of {plan.measure} {plan.spec_year} ({file})"
    return [
        *(_list_table(plan, name, lists, version, file) for name, lists in sorted(taken.lists.items())),
        *_planned_table(plan, taken, version, file),
        *_values_table(plan, taken, version, file),
    ]


def _list_table(
    plan: DictionaryMapping, name: str, lists: dict[tuple[str, ...], list[str]], version: str, file: str
) -> NewTable:
    systems = sorted({system for _, system in lists})
    return NewTable(
        name=f"{name}_{plan.spec_year}",
        kind="code_list",
        stands_for=name,
        system=", ".join(systems),
        version=version,
        says=f"Lists the codes of {', '.join(sorted({role.replace('_', ' ') for role, _ in lists}))}.",
        years=plan.service_years,
        rows=[row | {"years": ""} for row in list_rows(dict(sorted(lists.items())), ("role", "system"), file)],
        lists={f"{role} ({system})": len(set(codes)) for (role, system), codes in sorted(lists.items())},
        note=CPT_NOTE if "HCPCS" in systems else "",
    )


def _planned_table(plan: DictionaryMapping, taken: Taken, version: str, file: str) -> list[NewTable]:
    if not taken.planned:
        return []
    parts = {part for part, _ in taken.planned}
    if len(parts) < 4:
        raise InputError(
            f"the mapping names planned admission lists {', '.join(sorted(parts))}",
            expected="all of PA1 to PA4, since a table has all four",
            hint="name the sheets of the others, or set these to `ignore`",
        )
    table = NewTable(
        name=f"planned_admission_{_key(plan)}",
        kind="planned_admission",
        stands_for="planned_admission",
        system="CCS, ICD-10-PCS, ICD-10-CM",
        version=version,
        says=f"Gives the four lists that decide for {plan.measure} whether an inpatient admission was planned.",
        years=plan.service_years,
        measure=plan.measure.upper(),
        rows=list_rows(dict(sorted(taken.planned.items())), ("part", "kind"), file),
        lists={f"{part} {kind}": len(set(codes)) for (part, kind), codes in sorted(taken.planned.items())},
    )
    return [table]


def _values_table(plan: DictionaryMapping, taken: Taken, version: str, file: str) -> list[NewTable]:
    if not taken.values:
        return []
    rows = []
    for (clause, key), values in sorted(taken.values.items()):
        ordered = sorted(set(values), key=lambda v: (int(v), "") if v.isdigit() else (0, v))
        facts = {"values": " ".join(ordered), "origin": ORIGIN, "grade": GRADE, "source": file}
        rows.append({"clause": clause, "key": key} | facts)
    table = NewTable(
        name=f"values_{_key(plan)}",
        kind="clause_values",
        stands_for="",
        system="condition categories, ICD-10-CM",
        version=version,
        says=f"Gives clauses of {plan.measure} their categories and codes.",
        years=str(plan.spec_year),
        rows=rows,
        lists={row["clause"]: len(row["values"].split()) for row in rows},
        measure=plan.measure.upper(),
    )
    return [table]


def _key(plan: DictionaryMapping) -> str:
    return f"{re.sub(r'[^a-z0-9]+', '_', plan.measure.lower())}_{plan.spec_year}"
