"""Results that nobody changes by accident."""

from __future__ import annotations

from typing import Any

import numpy as np


def freeze_arrays(result: Any) -> None:
    """Make every array of a result read-only.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> rows = SimpleNamespace(risk=np.zeros(1))
    >>> freeze_arrays(rows)
    >>> rows.risk.flags.writeable
    False
    """
    for value in vars(result).values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
