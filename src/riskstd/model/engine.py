"""Which path computes: compiled kernels when numba works, numpy when it does not."""

from __future__ import annotations

import functools
import importlib
import os
import threading
import warnings
from types import ModuleType

NO_NUMBA = "RISKSTD_NO_NUMBA"
"""Environment variable that, when set to anything but 0, keeps to numpy."""
_said = threading.Event()


class SlowPathWarning(RuntimeWarning):
    """The compiled kernels cannot be used; results agree, but take longer."""


def kernels(name: str) -> ModuleType | None:
    """Compiled module `riskstd.model.kernels.<name>`, or None when numpy has to do.

    Says once, as a warning, that numba is absent or broken.

    Examples
    --------
    >>> module = kernels("rows")
    >>> module is None or hasattr(module, "sum_cells")
    True
    """
    if os.environ.get(NO_NUMBA, "0") not in ("", "0"):
        return None
    module, reason = _load(name)
    if module is None and not _said.is_set():
        _said.set()
        warnings.warn(
            f"numba cannot be used ({reason}); the model runs on numpy alone, with the same results but slower. "
            "If the reason is a RuntimeError, set NUMBA_CACHE_DIR to a folder that can be written to",
            SlowPathWarning,
            stacklevel=3,
        )
    return module


@functools.cache
def _load(name: str) -> tuple[ModuleType | None, str]:
    try:
        return importlib.import_module(f"riskstd.model.kernels.{name}"), ""
    # a broken numba or llvmlite fails in ways of its own: ImportError, OSError, SystemError, AttributeError
    except Exception as error:
        return None, f"{type(error).__name__}"
