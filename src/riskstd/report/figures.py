"""Figures as bytes: the same bytes on every run, and no state of matplotlib left changed."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

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
    """

    name: str
    alt: str
    caption: str
    figure: Figure = field(repr=False)
    vector: bool

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


def settle(figure: Figure) -> None:
    """Lay the figure out once, so that every later drawing of it is the same."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


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
