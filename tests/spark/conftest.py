"""One Spark for all tests of this folder, and one small delivery."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from riskstd.claims import read_claims
from riskstd.engines import open_engine
from riskstd.errors import OptionError
from riskstd.synth import synthesize

TESTS = str(Path(__file__).parents[1])
if TESTS not in sys.path:
    sys.path.insert(0, TESTS)
REQUIRED = "RISKSTD_REQUIRE_SPARK"
CORES, MEMORY = 2, "1GB"


@pytest.fixture(scope="session")
def delivery(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spark")
    synthesize(folder, facilities=8, procedures=600, seed=11)
    return folder


@pytest.fixture(scope="session")
def claims(delivery):
    """The claims tables on DuckDB."""
    return read_claims(delivery / "claims", out=delivery / "tables")


@pytest.fixture(scope="session")
def connection():
    """Spark on this machine; its absence is a failure where it was promised."""
    try:
        return open_engine("spark", memory=MEMORY, cores=CORES).connection
    except OptionError as error:
        if os.environ.get(REQUIRED):
            pytest.fail(f"Spark is missing though {REQUIRED} is set: {error}")
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def on_spark(claims, connection):
    """The same claims tables on Spark."""
    return claims.on(connection)
