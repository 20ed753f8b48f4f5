"""Figures as bytes: the same bytes on every run, and no state of matplotlib left changed."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    import pandas as pd

BLUE, ORANGE, GREY, INK, LINE = "#0072b2", "#d55e00", "#8a8f98", "#1f2430", "#c9ced6"
"""Blue and orange of the Okabe-Ito palette, which color-blind readers can tell apart; shapes differ too."""

RASTER_ABOVE = 2000
"""Above so many points a vector figure holds them as an image."""

_STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.hashsalt": "riskstd",
    "svg.fonttype": "path",
    "text.usetex": False,
    "axes.unicode_minus": True,
}


_UNTOUCHED = frozenset({"backend", "backend_fallback", "interactive", "toolbar", "timezone"})


@dataclass(frozen=True, eq=False)
class Plot:
    """One figure of a page: name of its file, its text alternatives, and its bytes.

    Attributes
    ----------
    vector : bool
        Whether it may be given as SVG, which holds the points.
    data : pandas.DataFrame or None
        What is drawn, and no more than that, for export.
    """

    name: str
    alt: str
    caption: str
    figure: Figure = field(repr=False)
    vector: bool
    data: pd.DataFrame | None = field(default=None, repr=False)

    @cached_property
    def png(self) -> bytes:
        """The figure as PNG."""
        return to_png(self.figure)

    @cached_property
    def svg(self) -> bytes | None:
        """The figure as SVG, None where only an image may be given."""
        return to_svg(self.figure) if self.vector else None

    @property
    def data_uri(self) -> str:
        """The figure inside the page: vector where there is one."""
        kind, content = ("svg+xml", self.svg) if self.svg is not None else ("png", self.png)
        return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


@dataclass(frozen=True)
class Sheet:
    """What the figures of one report share.

    Attributes
    ----------
    source : str
        Line below each figure.
    vector : bool
        Whether they may be given as SVG.
    note : str
        Sentence at the end of each caption and text alternative, for example on what is not drawn.
    """

    source: str
    vector: bool
    note: str = ""

    def plot(self, name: str, figure: Figure, *, alt: str, caption: str, data: pd.DataFrame) -> Plot:
        """Return a finished figure with its words and data."""
        alt, caption = (f"{text} {self.note}".strip() for text in (alt, caption))
        return Plot(name, alt, caption, figure, self.vector, data)


@contextmanager
def figure_style() -> Iterator[None]:
    """Set the style of the project while figures are drawn or saved, and take it back."""
    defaults = {name: mpl.rcParamsDefault[name] for name in mpl.rcParamsDefault if name not in _UNTOUCHED}
    with mpl.rc_context(rc=cast("Any", {**defaults, **_STYLE})):
        yield


def new_figure(width: float = 8.6, height: float = 4.8) -> Figure:
    """Return an empty figure, in inches, that belongs to no window."""
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def columns_of(rows: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return some columns as the data of a figure."""
    import pandas as pd

    return pd.DataFrame({name: rows[name].to_numpy() for name in names})


def settle(figure: Figure) -> None:
    """Lay the figure out once, so that every later drawing of it is the same."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def set_title(axes: Axes, text: str) -> None:
    """Write the sentence that a figure says above it."""
    axes.set_title(text, loc="left", fontweight="bold", fontsize=10.5, parse_math=False)


def finish_figure(
    figure: Figure, source: str = "", *, grid: Literal["x", "y", "both"] = "y", legend: bool = True
) -> None:
    """Give every pair of axes its grid, and the figure its legend and source, and lay it out."""
    for axes in figure.axes:
        axes.tick_params(length=3)
        axes.grid(axis=grid, color=LINE, linewidth=0.5, alpha=0.6)
    if legend and any(axes.get_legend_handles_labels()[0] for axes in figure.axes):
        # within the border, which the layout sees, the source has room
        figure.legend(loc="outside lower left", ncols=3, borderaxespad=0.0, borderpad=1.6, columnspacing=1.6)
    elif source:
        figure.supxlabel(" ", fontsize=9)
    if source:
        figure.text(0.008, 0.008, source, fontsize=7.5, color="#5b616e", parse_math=False)
    settle(figure)


def to_png(figure: Figure) -> bytes:
    """Return the figure as PNG without date or program."""
    return _saved(figure, "png", {"Software": None})


def to_svg(figure: Figure) -> bytes:
    """Return the figure as SVG with letters as paths, fixed ids and no date."""
    return _saved(figure, "svg", {"Date": None, "Creator": None})


def plain(text: object, longest: int = 16) -> str:
    """Return text that any font can draw: printable ASCII, cut when long."""
    kept = "".join(c if " " <= c <= "~" else "?" for c in str(text))
    return kept if len(kept) <= longest else kept[: longest - 2] + ".."


def _saved(figure: Figure, kind: str, metadata: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    with figure_style():
        figure.savefig(stream, format=kind, metadata=metadata)
    return stream.getvalue()
