"""The data dictionary: every table between stages with its columns."""

from __future__ import annotations

from docs.generate.markdown import escape, page, table

from riskstd.tables import CLAIMS_TABLES, PERSON_KEYS, RESULT_TABLES, Column, Table

_INTRO = """\
What is written between stages, column by column. Types: *key* and *integer* are whole numbers (64 and 32 bits),
*real* is a float of 64 bits, *date* has no time of day. A column marked **identifying** can lead to a person, alone
or with others, and never leaves the run in a report for the public."""
_CLAIMS = """\
Whatever the layout of the files, [`read_claims`](api.md#read_claims) makes these tables, as Parquet, sorted by
person."""
_RESULTS = """\
What a run of one measure leaves in its folder. `risk_factors.parquet` has `procedure_id` and one column per risk
factor, named as on the [page of the measure](measures.md); `model.json` and `manifest.json` are described in
[tutorial](../tutorial.md)."""


def tables_page() -> str:
    """Return the page of all tables."""
    parts = [_INTRO, "## Claims tables", _CLAIMS]
    parts += [part for one in (*CLAIMS_TABLES, PERSON_KEYS) for part in _described(one)]
    parts += ["## Tables of a run", _RESULTS]
    parts += [part for one in RESULT_TABLES for part in _described(one)]
    return page("Data dictionary", "`riskstd.tables`", parts)


def _described(one: Table) -> list[str]:
    order = ", ".join(f"`{name}`" for name in one.sorted_by)
    rows = [
        (f"`{column.name}`", column.type, "yes" if column.required else "", _meaning(column)) for column in one.columns
    ]
    return [
        f"### `{one.name}`",
        f"{escape(one.meaning).capitalize()}." + (f" Sorted by {order}." if order else ""),
        table(("column", "type", "never empty", "meaning"), rows),
    ]


def _meaning(column: Column) -> str:
    said = escape(column.meaning)
    if column.unit:
        said += f"; unit: {column.unit}"
    if column.allowed:
        said += "; one of " + ", ".join(f"`{value}`" for value in column.allowed)
    return said + ("; **identifying**" if column.identifying else "")
