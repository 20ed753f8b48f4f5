"""Claims: layouts, readers, stays and visits."""

from riskstd.claims.claims import Claims
from riskstd.claims.reader import read_claims

__all__ = ["Claims", "read_claims"]
