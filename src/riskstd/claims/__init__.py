"""Claims: layouts, readers, stays and visits."""

from riskstd.claims.claims import Claims

__all__ = ["Claims"]
