"""What the notebooks share: their size, a folder to work in, synthetic claims, and the look of figures.

Two environment variables steer it:

- `RISKSTD_NOTEBOOK_SIZE`: `full` (if left out) or `small`, which runs in seconds and is too small to be instructive.
- `RISKSTD_NOTEBOOK_CACHE`: a folder that keeps claims and runs, so that several notebooks share them. Without it
  everything goes to a temporary folder that is removed when the notebook ends.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

import riskstd
from riskstd.report.figures import BLUE, GREY, INK, LINE, ORANGE

__all__ = ["BLUE", "GREY", "INK", "LINE", "ORANGE"]
__all__ += ["analytic_file", "claim_files", "claims_tables", "empty_folder", "known", "pick", "plain_log", "runs"]
__all__ += ["set_style", "truth", "work_folder"]

SIZE_VARIABLE, CACHE_VARIABLE = "RISKSTD_NOTEBOOK_SIZE", "RISKSTD_NOTEBOOK_CACHE"
MEASURES = ("ASC-17", "ASC-18")
T = TypeVar("T")


def pick(*, full: T, small: T) -> T:
    """Return the value for the size that the notebooks run in."""
    size = os.environ.get(SIZE_VARIABLE, "full")
    if size not in ("full", "small"):
        raise ValueError(f"{SIZE_VARIABLE} is {size!r}; expected: full or small")
    return full if size == "full" else small


@cache
def work_folder() -> Path:
    """Return the folder of this notebook: the cache if there is one, else temporary."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        Path(named).mkdir(parents=True, exist_ok=True)
        return Path(named).resolve()
    made = tempfile.TemporaryDirectory(prefix="riskstd-notebook-")
    _KEPT.append(made)
    return Path(made.name)


_KEPT: list[Any] = []
"""Temporary folders live as long as the kernel."""


def claim_files() -> Path:
    """Write synthetic claims of two measures, orthopedic and urologic surgery, and return their folder."""
    folder = _once(
        "synthetic",
        lambda target: riskstd.synthesize(
            target,
            measures=MEASURES,
            facilities=pick(full=250, small=40),
            procedures=pick(full=80_000, small=5_000),
            seed=1,
            edge_cases=False,
        ),
    )
    return folder / "claims"


def truth(name: str) -> pd.DataFrame:
    """Return a table of what is true of the synthetic claims."""
    return pd.read_parquet(claim_files().parent / "truth" / f"{name}.parquet")


def known(measure: str) -> dict[str, Any]:
    """Return the true model of a measure: `mu`, `beta` by name, `tau`."""
    return json.loads((claim_files().parent / "truth" / "coefficients.json").read_text("utf-8"))[measure]


def claims_tables() -> riskstd.Claims:
    """Return the claims tables of the synthetic claims, read once."""
    return riskstd.read_claims(_once("tables", lambda target: riskstd.read_claims(claim_files(), out=target)))


def runs() -> Path:
    """Return the folder with finished runs of both measures; each is in a folder of its own below it."""
    return _once(
        "runs",
        lambda target: riskstd.run_measures(
            MEASURES, claims=claims_tables().folder, out=target, n_bootstrap=pick(full=2000, small=100), seed=1
        ),
    )


def analytic_file(run: Path) -> pd.DataFrame:
    """Return one row per case of a run: facility, day of the procedure, outcome, risk factors; no person."""
    cases = pd.read_parquet(run / "index_procedures.parquet", columns=["procedure_id", "facility_id", "procedure_date"])
    for name in ("outcomes", "risk_factors"):
        cases = cases.merge(pd.read_parquet(run / f"{name}.parquet"), on="procedure_id", validate="one_to_one")
    return cases


def set_style() -> None:
    """Give figures the size, colors and grid that all notebooks share."""
    plt.rcParams.update(
        {
            "figure.figsize": (8.0, 4.0),
            "figure.dpi": 110,
            "figure.constrained_layout.use": True,
            "font.size": 9.5,
            "axes.edgecolor": LINE,
            "axes.labelcolor": INK,
            "axes.titlesize": 10.5,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "axes.grid": True,
            "grid.color": LINE,
            "grid.linewidth": 0.5,
            "grid.alpha": 0.6,
            "legend.frameon": False,
            "xtick.color": INK,
            "ytick.color": INK,
        }
    )
    pd.set_option("display.max_rows", 40, "display.width", 120, "display.precision", 3)


def plain_log(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, with whole numbers as ticks."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def empty_folder(name: str) -> Path:
    """Return a folder of this notebook, emptied if an earlier run of it left something."""
    folder = work_folder() / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _once(name: str, make: Callable[[Path], object]) -> Path:
    """Make a folder unless it is there; whole or not at all, also where two notebooks make it at a time."""
    target = work_folder() / name
    if target.is_dir():
        return target
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=work_folder()) as scratch:
        make(Path(scratch) / name)
        try:
            (Path(scratch) / name).rename(target)
        except OSError:
            if not target.is_dir():
                raise
    return target
