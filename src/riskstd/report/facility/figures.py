"""The figures of a facility's page with their words and their data."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from riskstd.report.facility import plots
from riskstd.report.facility.drivers import Decomposition
from riskstd.report.facility.plots import Axis, Own
from riskstd.report.facility.power import Power
from riskstd.report.facility.shared import BAND_FACILITIES, Band
from riskstd.report.facility.trend import Trend
from riskstd.report.facility.words import Voice, decimals_of
from riskstd.report.wording import counted, number
from riskstd.spec import Measure


@dataclass(frozen=True, eq=False)
class FacilityFigure:
    """One drawn figure of a page.

    Attributes
    ----------
    name, alt, caption : str
        Name of its file, and its text alternatives.
    kind : str
        "svg+xml", or "png" where a vector figure may not be given.
    content : bytes
    data : pandas.DataFrame
        What it shows, as rows.
    """

    name: str
    alt: str
    caption: str
    kind: str
    content: bytes = field(repr=False)
    data: pd.DataFrame = field(repr=False)

    @property
    def data_uri(self) -> str:
        """The figure inside the page."""
        return f"data:image/{self.kind};base64,{base64.b64encode(self.content).decode('ascii')}"


@dataclass(frozen=True)
class FacilitySheet:
    """What the figures of one page share.

    Parameters
    ----------
    measure : Measure
    comparator : float
        The national rate in the scale of the measure, or 1.
    names_nation : bool
        Whether the national rate may be written.
    public : bool
        Whether the page is public: figures are images then, and others are those whose numbers are shown.
    """

    measure: Measure
    comparator: float
    names_nation: bool
    public: bool

    def position(self, band: Band, row: Mapping[str, Any], kind: str) -> FacilityFigure:
        """Draw the facility's own score among all; `row` is of facility rates, `kind` its category."""
        axis, decimals = self._axis(), decimals_of(self.measure)
        rank, n = band.rank_of(float(row["rate"])), len(band.sorted_scores)
        name, mark = "This facility" if self.public else "We", kind if kind in plots.MARKS else "none"
        own = Own(name, float(row["rate"]), float(row["lower"]), float(row["upper"]), mark, rank)
        form, image = plots.draw_position(band, own, axis, vector=not self.public)
        score, among = number(own.score, decimals), counted(n, "scored facility", "scored facilities")
        alt = f"Position among {among}: rank {rank:,} from the lowest, score {score}"
        if math.isfinite(own.lower) and math.isfinite(own.upper):
            alt += f", interval {number(own.lower, decimals)} to {number(own.upper, decimals)}"
        grey = "The other facilities are too few for a curve that tells none of them apart."
        if len(band.place):
            grey = (
                "Grey: scores and intervals of all of them in order, each point the mean of at least "
                f"{BAND_FACILITIES} facilities."
            )
        shown = " whose numbers are shown" if self.public else ""
        caption = (
            f"Rank {rank:,} of {among}{shown}, from the lowest score. {grey} Ranks of facilities whose intervals "
            "overlap mean little."
        )
        data = pd.DataFrame(
            {
                "what": [*["mean of facilities"] * len(band.place), "this facility"],
                "rank": [*band.place, float(rank)],
                "score": [*band.score, own.score],
                "lower": [*band.lower, own.lower],
                "upper": [*band.upper, own.upper],
            }
        )
        return FacilityFigure("position", f"{alt}; {axis.comparator_name}.", caption, form, image, data)

    def steps(self, steps: Decomposition, *, whose: Voice) -> FacilityFigure:
        """Draw the steps from the national rate to the score."""
        axis, decimals = self._axis(), max(decimals_of(self.measure), 2)
        if self.measure.scale.kind == "ratio":
            axis = Axis("Multiples of the national rate", self.comparator, axis.comparator_name, decimals)
        rows = plots.step_rows(
            steps, decimals, our="Facility\N{RIGHT SINGLE QUOTATION MARK}s" if self.public else whose.start
        )
        form, image = plots.draw_steps(rows, axis, vector=not self.public)
        alt = "Steps from the national rate to the score: " + "; ".join(f"{row.label} {row.text}" for row in rows) + "."
        caption = (
            "Grey bars are rates, colored ones what is added (orange) or taken away (blue). An average facility lies "
            "below the national rate where visits gather at a few facilities; \N{LEFT DOUBLE QUOTATION MARK}same "
            "patients for all\N{RIGHT DOUBLE QUOTATION MARK} takes the case mix out again."
        )
        columns = ["step", "from", "to", "is_total"]
        data = pd.DataFrame([(row.label, row.start, row.end, row.is_total) for row in rows], columns=columns)
        return FacilityFigure("steps", alt, caption, form, image, data)

    def power(self, power: Power) -> FacilityFigure:
        """Draw the chance of each label against the true ratio."""
        form, image = plots.draw_power(power, vector=not self.public)
        reached = (("worse", power.worse_at[0.8]), ("better", power.better_at[0.8]))
        parts = [
            f"{name}: never" if at is None else f"{name}: 4 times in 5 at a true ratio of {number(at, 2)}"
            for name, at in reached
        ]
        alt = f"Chance of each label against the true ratio of visits to expected visits. {'; '.join(parts)}."
        caption = (
            "Chance of each label if this facility's true visits were so many times the expected ones, at its volume."
        )
        data = pd.DataFrame({"true_ratio": power.ratio, "worse": power.worse, "better": power.better})
        return FacilityFigure("power", alt, caption, form, image, data)

    def trend(self, trend: Trend) -> FacilityFigure:
        """Draw the scores against the nation of each period."""
        form, image = plots.draw_trend(trend, vector=not self.public)
        parts = [
            f"{point.period}: {number(point.ratio, 2)} ({number(point.lower, 2)} to {number(point.upper, 2)})"
            if point.state == "scored"
            else f"{point.period}: {point.state}"
            for point in trend.points
        ]
        alt = f"Score over the national rate of each period. {'; '.join(parts)}."
        caption = "Score over the national rate of the same period, with its interval; 1 is the nation."
        columns = ["period", "state", "score_over_national", "lower", "upper"]
        rows = [(p.period, p.state, p.ratio, p.lower, p.upper) for p in trend.points]
        return FacilityFigure("trend", alt, caption, form, image, pd.DataFrame(rows, columns=columns))

    def _axis(self) -> Axis:
        decimals = decimals_of(self.measure)
        if self.measure.scale.kind == "ratio":
            return Axis("Predicted / expected visits", self.comparator, "as expected (1)", decimals)
        value = f" ({number(self.comparator, decimals)})" if self.names_nation else ""
        unit = self.measure.scale.unit[0].upper() + self.measure.scale.unit[1:]
        return Axis(unit, self.comparator, f"national rate{value}", decimals)
