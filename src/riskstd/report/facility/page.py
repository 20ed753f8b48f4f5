"""The page of one facility, for its quality manager: one or two sheets of paper, no script, no network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from riskstd.errors import InputError
from riskstd.report.content import Profile, ReportInput, check_profile
from riskstd.report.disclosure.facilities import interval_name
from riskstd.report.disclosure.suppression import SMALL_CELL
from riskstd.report.facility import change_words, words
from riskstd.report.facility.drivers import decompose, mix_differences
from riskstd.report.facility.figures import FacilityFigure, FacilitySheet
from riskstd.report.facility.power import power_of
from riskstd.report.facility.shared import (
    NATION_FACILITIES,
    PEER_FACILITIES,
    Directory,
    Group,
    PageShared,
)
from riskstd.report.facility.trend import check_history, point_of, trend_of
from riskstd.report.facility.visits import count_visits, visits_to_review
from riskstd.report.facility.whatif import flag_rule, posterior_of, what_if
from riskstd.report.national.views import TYPE_NAMES
from riskstd.report.templating import environment
from riskstd.report.wording import SUPPRESSED, counted, number, plural
from riskstd.spec.describe import ama_notice
from riskstd.spec.fidelity import OFFICIAL

if TYPE_CHECKING:
    from riskstd.report.cases import Cases

__all__ = ["LISTED_VISITS", "PageShared", "facility_figures", "render_facility_page"]

LISTED_VISITS, LISTED_BESIDE_A_TREND = 12, 8
"""Visits listed in the page, so that it stays within two sheets of paper; the workbook has all."""


def render_facility_page(
    content: ReportInput,
    cases: Cases,
    facility_id: str,
    *,
    profile: Profile = "facility",
    directory: Directory | None = None,
    history: Sequence[ReportInput] = (),
    shared: PageShared | None = None,
) -> str:
    """Write the page of one facility as HTML.

    Parameters
    ----------
    content : ReportInput
        With rates.
    cases : Cases
        Of the whole run.
    facility_id : str
        As in the table `facility_rates`.
    profile : {"facility-phi", "facility", "public"}
        "facility-phi" lists the facility's own cases with a visit; "facility" counts them; "public" shows the category
        alone where visits or cases without one number 1 to 10 or cases are too few.
    directory : object, optional
        `name_of(npi)`, `state_of(npi)`, `npis_in(state)`; without it, peers are the facilities of the same quarter by
        volume.
    history : sequence of ReportInput
        Earlier runs of the measure, oldest first.
    shared : PageShared, optional
        For a batch: `PageShared.of(content, cases, directory)`, made once. Its directory is used when none is
        given here.

    Returns
    -------
    str
        The same text for the same input.

    Raises
    ------
    InputError
        No rates, an unknown facility, or earlier runs of another measure or the same period.
    OptionError
        When there is no such profile.
    """
    page = _Page(content, cases, facility_id, check_profile(profile), directory, history, shared)
    return environment().get_template("facility.html.j2").render(page.facts())


def facility_figures(
    content: ReportInput,
    cases: Cases,
    facility_id: str,
    *,
    profile: Profile = "facility",
    directory: Directory | None = None,
    history: Sequence[ReportInput] = (),
    shared: PageShared | None = None,
) -> list[FacilityFigure]:
    """Draw the figures of the page of one facility, with their data; parameters as for `render_facility_page`."""
    page = _Page(content, cases, facility_id, check_profile(profile), directory, history, shared)
    return [figure for figure in page.facts()["figures"].values() if figure is not None]


class _Page:
    """One facility of one run under one profile, on its way to a page."""

    def __init__(
        self,
        content: ReportInput,
        cases: Cases,
        facility_id: str,
        profile: Profile,
        directory: Directory | None,
        history: Sequence[ReportInput],
        shared: PageShared | None,
    ) -> None:
        if content.rates is None or content.model is None or content.interval is None:
            raise InputError(
                "a facility's page of a run without model and rates",
                expected="a run with rates",
                hint=content.no_model_reason,
            )
        self.shared = shared or PageShared.of(content, cases, directory)
        row = self.shared.run.row_of(facility_id)
        if row is None:
            raise InputError(
                f"facility {facility_id!r} has no rate in this run",
                expected=f"one of the {len(content.rates):,} ids in facility_rates.csv",
            )
        check_history(content, history)
        self.content, self.measure = content, content.measure
        self.model, self.interval = content.model, content.interval
        self.facility_id, self.row, self.history = facility_id, row, tuple(history)
        self.profile: Profile = profile
        self.public = profile == "public"
        self.directory = directory or self.shared.directory
        self.own = cases.of_facility(facility_id)
        self.kind = words.kind_of(row["category"], self.measure)
        self.hidden = self.shared.run.hides(facility_id, profile)
        self.voice = words.PUBLIC if self.public else words.OWN
        self.decimals = words.decimals_of(self.measure)
        self.group = self.shared.group_of(facility_id)
        self.nation_shown = self.shared.nation.without(self.group).tells_nobody(NATION_FACILITIES)
        self.sheet = FacilitySheet(self.measure, content.comparator, self.nation_shown, self.public)

    def facts(self) -> dict[str, Any]:
        """Everything that the template lays out."""
        measure, head = self.measure, self.measure.definition.measure
        scored = self.kind != "few" and not self.hidden
        name = self.directory.name_of(self.facility_id) if self.directory is not None else None
        figures: dict[str, FacilityFigure | None] = dict.fromkeys(("position", "steps", "power", "trend"))
        facts: dict[str, Any] = {
            "measure": measure,
            "head": head,
            "period": self.content.period,
            "facility_id": self.facility_id,
            "name": name,
            "profile": self.profile,
            "public": self.public,
            "phi": self.profile == "facility-phi",
            "hidden": self.hidden,
            "scored": scored,
            "our": self.voice.our,
            "fidelity": self.content.fidelity,
            "official": self.content.fidelity.label == OFFICIAL,
            "kind": self.kind,
            "label": self.row["category"] if isinstance(self.row["category"], str) else "No label",
            "small_cell": SMALL_CELL,
            "suppressed": SUPPRESSED,
            "unit": measure.scale.unit,
            "caution": measure.definition.score.categories.caution,
            "level_note": words.caution_sentence(self.interval.level, self.interval.category_level),
            "converged": bool(self.model["converged"]),
            "version": self.content.version,
            "noun": head.procedure_noun,
            "nouns": plural(head.procedure_noun),
            "ama_notice": " ".join(ama_notice().split()),
            "standing": [],
            "tiles": [],
            "steps": [],
            "mix": "",
            "comparison": [],
            "peers_by_volume": False,
            "what_if": [],
            "power": [],
            "review": [],
            "review_left": 0,
            "visit_days": (),
            "visit_rows": [],
            "visits_total": "",
            "trend": [],
            "figures": figures,
        }
        if not self.hidden:
            facts |= self._standing()
        if scored:
            figures["position"] = self.sheet.position(self.shared.band(self.profile), self.row, self.kind)
            if self.nation_shown:
                facts |= self._steps(figures)
        if not self.public:
            facts |= self._visits() | self._comparison() | self._change(figures)
        if self.history and not self.hidden:
            facts |= self._trend(figures)
        return facts

    def _standing(self) -> dict[str, Any]:
        row, measure = self.row, self.measure
        comparator = self.content.comparator if self.nation_shown else None
        sentences = words.standing_sentences(
            row, measure, comparator=comparator, level=self.interval.level, voice=self.voice
        )
        decimals = words.reading_decimals(row, measure, comparator)
        low, high = number(row["lower"], decimals), number(row["upper"], decimals)
        tiles = [("Cases", number(row["cases"]), ""), ("With a visit", number(row["observed"]), "")]
        tiles.append(("Expected", words.expected_text(row), "at an average facility"))
        if self.kind != "few":
            interval = f"{interval_name(self.interval.level)} {low} to {high}" if math.isfinite(row["lower"]) else ""
            tiles.insert(0, ("Score", number(row["rate"], self.decimals), interval))
        return {"standing": sentences, "tiles": tiles}

    def _steps(self, figures: dict[str, FacilityFigure | None]) -> dict[str, Any]:
        nation = self.shared.nation
        of_all = nation.expected / nation.cases
        steps = decompose(self.row, self.measure, national_rate=self.content.national_rate, expected_of_all=of_all)
        figures["steps"] = self.sheet.steps(steps, whose=self.voice)
        sentences = words.step_sentences(self.row, self.measure, expected_of_all=of_all, voice=self.voice)
        mix = (
            "" if self.public else words.mix_sentence(mix_differences(self.own, self.shared.factor_means, nation.cases))
        )
        return {"steps": sentences, "mix": mix}

    def _comparison(self) -> dict[str, Any]:
        """Rows of the comparison with peers and nation: name, facilities, cases, observed, expected, their ratio."""
        name, peers = self.shared.peers_of(self.facility_id)
        nation = self.shared.nation
        others = (peers.without(self.group), nation.without(peers))
        peers_shown = self.nation_shown and all(group.tells_nobody(PEER_FACILITIES) for group in others)
        groups = [(name, peers, peers_shown), ("All facilities of this run", nation, self.nation_shown)]
        return {
            "peers_by_volume": name.startswith("Quarter"),
            "comparison": [
                _group_row("This facility", self.group, self.measure, shown=True),
                *(_group_row(label, group, self.measure, shown=shown) for label, group, shown in groups),
            ],
        }

    def _visits(self) -> dict[str, Any]:
        if self.profile == "facility-phi":
            found, most = visits_to_review(self.own), LISTED_BESIDE_A_TREND if self.history else LISTED_VISITS
            rows = [
                (
                    str(visit.case_number),
                    visit.procedure_date,
                    visit.code,
                    number(visit.days_after),
                    TYPE_NAMES.get(visit.visit_type, number(None))
                    + (f" (+{visit.further} more)" if visit.further else ""),
                    visit.diagnosis or number(None),
                    words.risk_text(visit.risk),
                )
                for visit in found[:most]
            ]
            return {"review": rows, "review_left": len(found) - len(rows)}
        table = count_visits(self.own, self.measure.window)
        rows = [(TYPE_NAMES[kind], [*row, sum(row)]) for kind, row in table.rows.items()]
        return {"visit_days": table.days, "visit_rows": rows, "visits_total": counted(table.total, "visit", "visits")}

    def _change(self, figures: dict[str, FacilityFigure | None]) -> dict[str, Any]:
        if self.kind == "few":
            minimum = self.measure.definition.score.categories.minimum_cases
            text = f"Below {minimum} cases no label is given, whatever the results."
            return {"what_if": [text]}
        row, tau = self.row, float(self.model["tau"])
        if tau == 0.0:
            return {"what_if": [change_words.NO_SPREAD]}
        posterior = posterior_of(self.own.expected, tau)
        rule = flag_rule(posterior, row, self.content.comparator, self.interval)
        found = None if rule is None else what_if(rule, int(row["observed"]))
        texts = change_words.what_if_sentences(found, int(row["observed"]), int(row["cases"]), self.measure, self.kind)
        if rule is None:
            return {"what_if": texts}
        power = power_of(posterior.log_odds, rule)
        if rule.worse_from is not None or rule.better_up_to is not None:
            figures["power"] = self.sheet.power(power)
        expected = float(row["expected"])
        return {"what_if": texts, "power": change_words.power_sentences(power, rule, self.measure, expected=expected)}

    def _trend(self, figures: dict[str, FacilityFigure | None]) -> dict[str, Any]:
        runs = [self.shared.index_of(content) for content in self.history]
        points = [
            point_of(run.content, run.row_of(self.facility_id), hidden=run.hides(self.facility_id, self.profile))
            for run in (*runs, self.shared.run)
        ]
        trend = trend_of(points)
        if trend.scored:
            figures["trend"] = self.sheet.trend(trend)
        return {"trend": change_words.trend_sentences(trend, self.measure)}


def _group_row(label: str, group: Group, measure: Any, *, shown: bool) -> tuple[str, ...]:
    if not shown:
        return (label, *[SUPPRESSED] * 5)
    if group.cases == 0:
        return (label, *[number(None)] * 5)
    unit = 100.0 if measure.scale.kind == "ratio" else {"per_1000": 1000.0, "percent": 100.0}[measure.scale.kind]
    decimals = max(measure.scale.decimals, 1)
    return (
        label,
        number(group.facilities),
        number(group.cases),
        number(unit * group.visits / group.cases, decimals),
        number(unit * group.expected / group.cases, decimals),
        number(group.visits / group.expected, 2),
    )
