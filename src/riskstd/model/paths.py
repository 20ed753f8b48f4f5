"""The path that evaluates the model on a set of cells: compiled or plain."""

from __future__ import annotations

from riskstd.model.cells import Cells
from riskstd.model.compiled import CompiledPath
from riskstd.model.engine import kernels
from riskstd.model.plain import PlainPath

Path = CompiledPath | PlainPath


def path_of(cells: Cells, threads: int | None = None) -> Path:
    """Compiled path when numba works, else the plain one.

    Parameters
    ----------
    cells : Cells
    threads : int, optional
        Threads of the compiled path; all processors when left out.
    """
    ready = all(kernels(name) is not None for name in ("facility", "curvature"))
    return CompiledPath(cells, threads) if ready else PlainPath(cells)
