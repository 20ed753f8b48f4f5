"""A small synthetic delivery with planted edge cases, read once for all tests of the pipeline."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from riskstd.claims import read_claims
from riskstd.synth import synthesize

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def delivery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthetic")
    synthesize(folder, facilities=16, procedures=1600, seed=11)
    return folder


@pytest.fixture(scope="session")
def claims(delivery):
    return read_claims(delivery / "claims")
