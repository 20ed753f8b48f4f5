"""How far each hidden count has been seen to range over the tables that agree with what is shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from riskstd.report.disclosure.attacker import TOLERANCE, Reader, whole_values


class SeenRange:
    """Least and most value seen of every cell in tables that agree with what is shown.

    Hiding more adds tables and takes none away, so what has been seen once stays.
    """

    def __init__(self, reader: Reader, hidden: NDArray[np.bool_]) -> None:
        self.reader, self.hidden = reader, hidden
        self.least, self.most = reader.truth.copy(), reader.truth.copy()
        for sign in (1.0, -1.0):
            self.add(reader.extreme(np.where(reader.small, sign, 0.0), hidden))

    def add(self, table: NDArray[np.float64]) -> None:
        """See one more table."""
        self.least, self.most = np.minimum(self.least, table), np.maximum(self.most, table)

    def has_end(self, k: int, sign: float) -> bool:
        """Tell whether a cell has been seen at the least (most, if the sign is negative) that is promised."""
        return bool(self.least[k] <= 1 + TOLERANCE if sign > 0 else self.most[k] >= self.reader.limit - TOLERANCE)

    def finds_end(self, k: int, sign: float, hidden: NDArray[np.bool_]) -> bool:
        """Look for the end of a cell's range; tell whether it is as far out as is promised."""
        if not self.has_end(k, sign):
            self.add(self.reader.extreme(sign * self.reader.unit(k), hidden))
        return self.has_end(k, sign)

    def best_end(self, k: int, sign: float) -> float:
        """Return the end that is promised, or what comes nearest to it if all but zeros were hidden."""
        reader = self.reader
        marked = reader.all_marked(self.hidden | reader.small | reader.below_small)
        best = float(reader.extreme(sign * reader.unit(k), marked)[k])
        return max(1.0, best) if sign > 0 else min(float(reader.limit), best)

    def is_narrowed(self, k: int, hidden: NDArray[np.bool_]) -> bool:
        """Tell whether what is shown narrows a cell down, or leaves it one value."""
        for sign in (1.0, -1.0):
            if not self.finds_end(k, sign, hidden):
                seen = self.least[k] if sign > 0 else self.most[k]
                if sign * (seen - self.best_end(k, sign)) > TOLERANCE:
                    return True
        return whole_values(self.least[k], self.most[k]) < 2
