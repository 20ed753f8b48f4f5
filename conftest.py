"""Tests use the project's own tables, whatever definition folder the machine has."""

import os

os.environ["RISKSTD_DEFINITIONS"] = ""
