"""Months of enrolment in Parts A and B, fee for service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ibis.expr.types as ir


def month_of(day: ir.DateValue) -> ir.IntegerValue:
    """Return the calendar month of a day as year x 12 + month - 1."""
    return (day.year() * 12 + day.month() - 1).cast("int32")


def enrolled_months(enrollment: ir.Table, buy_in: Sequence[str], hmo: Sequence[str]) -> ir.Table:
    """Keep the months in which both monthly codes are among the given ones.

    A managed-care code that is null counts as blank, the empty text.
    """
    kept = enrollment.filter(enrollment.buy_in.isin(buy_in), enrollment.hmo.fill_null("").isin(hmo))
    return kept.select("person_key", "month")
