"""Codes as types: plain text, sets, and maps to categories."""

from riskstd.codes.codeset import CodeMap, CodeSet, expand_range
from riskstd.codes.text import normalize_code

__all__ = ["CodeMap", "CodeSet", "expand_range", "normalize_code"]
