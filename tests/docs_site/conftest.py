"""Places and pages that the tests of the site share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The generator lies beside the pages, outside the package.
sys.path.insert(0, str(ROOT))


@pytest.fixture(scope="session")
def docs():
    return ROOT / "docs"


@pytest.fixture(scope="session")
def pages():
    """The reference as the code has it now, by path."""
    from docs.generate.pages import reference_pages

    return reference_pages()
