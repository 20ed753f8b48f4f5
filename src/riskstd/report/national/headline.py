"""The first sentences of a report, made from its numbers."""

from __future__ import annotations

from riskstd.report.content import ReportInput
from riskstd.report.disclosure.counts import Counts
from riskstd.report.disclosure.facilities import CategoryCounts
from riskstd.report.wording import MISSING, Suppressed, counted, level_text, number, percent, plural
from riskstd.spec import Measure


def headline(content: ReportInput, counts: Counts, categories: CategoryCounts | None) -> list[str]:
    """Say what the run found, in three to five sentences."""
    sentences = [_cohort_sentence(content, counts, categories), _events_sentence(content.measure, counts)]
    if categories is None:
        return [*sentences, "There is no model and there are no rates, since the data were too few."]
    sentences.append(_rate_sentence(content, counts))
    sentences += category_sentences(categories, content.measure)
    return sentences


def category_sentences(categories: CategoryCounts, measure: Measure) -> list[str]:
    """Say how many facilities fell into each category.

    Examples
    --------
    >>> from riskstd.spec import load_measure
    >>> category_sentences(CategoryCounts(0, 1, 0, 2, 0), load_measure("ASC-17"))[0]
    'The one scored facility is no different from the national rate.'
    """
    minimum = measure.definition.score.categories.minimum_cases
    too_few = _too_few_sentence(categories.too_few, minimum)
    if categories.scored == 0:
        return [f"No facility has the {minimum} cases that a score needs.", too_few]
    if categories.scored == categories.without:
        text = counted(categories.scored, "facility has a score", "facilities have a score")
        return [f"{text} and none has a category, since there are no interval estimates.", too_few]
    than = "expected" if measure.scale.kind == "ratio" else "the national rate"
    same = "what is expected" if measure.scale.kind == "ratio" else than
    if categories.scored == 1:
        word = "better than" if categories.better else "worse than" if categories.worse else "no different from"
        return [f"The one scored facility is {word} {same if 'from' in word else than}.", too_few]
    parts = [
        f"{_some(categories.better)} better than {than}",
        f"{_some(categories.worse)} worse",
        f"{_some(categories.no_different)} no different",
    ]
    text = f"Of {categories.scored:,} scored facilities, {parts[0]}, {parts[1]} and {parts[2]}."
    return [text, too_few]


def no_events_shown(counts: Counts) -> bool:
    """Tell whether the number of cases or of those with a visit is hidden."""
    return isinstance(counts["events"], Suppressed) or isinstance(counts["cases"], Suppressed)


def national_rate_text(content: ReportInput, counts: Counts) -> str:
    """Return the national rate on the measure's scale, in percent for a ratio; hidden with its counts."""
    if content.national_rate is None:
        return MISSING
    if no_events_shown(counts):
        return number(counts["events"] if isinstance(counts["events"], Suppressed) else counts["cases"])
    if content.measure.scale.kind == "ratio":
        return f"{100 * content.national_rate:.2f} %"
    return number(content.comparator, max(2, content.measure.scale.decimals))


def window_text(measure: Measure) -> str:
    """Name the outcome window."""
    first, last = measure.window
    return f"on day {first}" if first == last else f"on days {first} to {last}"


def noun_of(measure: Measure) -> tuple[str, str]:
    """Return the noun of the procedure and its plural."""
    noun = measure.definition.measure.procedure_noun
    return noun, plural(noun)


def _cohort_sentence(content: ReportInput, counts: Counts, categories: CategoryCounts | None) -> str:
    one, many = noun_of(content.measure)
    cases = counts["cases"]
    what = f"A small number of {many}" if isinstance(cases, Suppressed) else counted(cases, one, many)
    what = what[0].upper() + what[1:]
    form = "is" if cases == 1 else "are"
    where = f" at {counted(categories.total, 'facility', 'facilities')}" if categories else ""
    return f"{what}{where} {form} in the cohort ({content.period})."


def _events_sentence(measure: Measure, counts: Counts) -> str:
    events, cases = counts["events"], counts["cases"]
    visit = f"an unplanned hospital visit {window_text(measure)}"
    if isinstance(cases, Suppressed) or isinstance(events, Suppressed):
        return f"The number with {visit} is too small to be shown, or would give away one that is."
    if cases == 0:
        return f"So none can have had {visit}."
    if cases == 1:
        return f"It had {visit}." if events else f"It did not have {visit}."
    share = percent(events, cases)
    return f"{'None' if events == 0 else f'{events:,}'} of them had {visit} ({share})."


def _rate_sentence(content: ReportInput, counts: Counts) -> str:
    text, unit = national_rate_text(content, counts), content.measure.scale.unit
    if no_events_shown(counts):
        return "The national rate of this run is not shown, since it would give away a small count."
    if content.measure.scale.kind == "ratio":
        crude = f"the crude rate of all cases in this run is {text}"
        return f"A ratio of 1 means as many visits as expected; {crude}."
    return f"The national rate, taken as the crude rate of all cases in this run, is {text} {unit}."


def _too_few_sentence(n: int, minimum: int) -> str:
    if n == 0:
        return f"Every facility has at least {minimum} cases."
    have = "has" if n == 1 else "have"
    text = counted(n, "facility", "facilities")
    return f"{text} {have} fewer than {minimum} cases and {'gets' if n == 1 else 'get'} no category."


def _some(n: int) -> str:
    return "none is" if n == 0 else "1 is" if n == 1 else f"{n:,} are"


def interval_sentence(content: ReportInput) -> str:
    """Say how the interval estimates were made."""
    facts = content.interval
    if facts is None or facts.method == "none":
        return "No interval estimates were made."
    text = f"Interval estimates have a level of {level_text(facts.level)}"
    if facts.category_level != facts.level:
        text += f"; categories are read from intervals of {level_text(facts.category_level)}"
    if facts.method != "bootstrap":
        return f"{text}. They are approximate ({facts.method}) and need no resampling."
    used = counted(facts.replicates, "bootstrap replicate", "bootstrap replicates")
    dropped = "none was" if facts.dropped == 0 else "1 was" if facts.dropped == 1 else f"{facts.dropped:,} were"
    return f"{text}. They come from {used} of whole facilities, of which {dropped} dropped (seed {facts.seed})."
