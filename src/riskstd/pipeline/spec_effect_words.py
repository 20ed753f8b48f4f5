"""The effect of a change of definition in words: plain text and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from riskstd.pipeline.spec_effect import Effect


def effect_as_text(effect: Effect) -> str:
    """Return the effect as plain text."""
    return "\n".join(["What it does to these claims", *(f"  {line}" for line in _lines(effect))])


def effect_as_markdown(effect: Effect) -> str:
    """Return the effect as Markdown."""
    return "\n".join(["# What it does to these claims", "", *(f"- {line}" for line in _lines(effect))])


def _lines(effect: Effect) -> list[str]:
    n = effect.counts
    lines = [
        f"cases: {n['cases_before']:,} -> {n['cases_after']:,} ({n['cases_in']:,} in, {n['cases_out']:,} out)",
        f"cases with a visit: {n['with_visit_before']:,} -> {n['with_visit_after']:,}",
        f"cases on both sides: {n['outcomes_to_1']:,} came to have a visit, {n['outcomes_to_0']:,} have none any more",
    ]
    for reason in effect.reasons:
        side = "before" if reason["change"] == "in" else "now"
        lines.append(f"{reason['change']}: {reason['cases']:,} {_out_by(reason['rule'], side)}")
    if effect.facilities is None:
        return [*lines, f"facilities: {effect.no_model_reason}"]
    lines.append(
        f"facilities: {n['facilities_before']:,} -> {n['facilities_after']:,}; "
        f"{n['facilities_of_another_category']:,} of another category"
    )
    changed = effect.facilities[effect.facilities["category_changed"]]
    moves = changed.fillna({"category_before": "none", "category_after": "none"})
    sizes = moves.groupby(["category_before", "category_after"], sort=True).size()
    return [*lines, *(f"{old} -> {new}: {int(number):,}" for (old, new), number in sizes.items())]  # type: ignore[misc]


def _out_by(rule: str, side: str) -> str:
    if rule == "not_a_candidate":
        return f"that {side} are no candidates: their codes do not qualify, or their lines are not facility lines"
    return f"that {side} are excluded by {rule}"
