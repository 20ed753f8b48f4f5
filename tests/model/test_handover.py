"""The interpreter goes from thread to thread sooner during a bootstrap, and as before afterwards."""

import sys

import numpy as np
import pytest

from riskstd import fit_hierarchical
from riskstd.model.handover import QUICK_SECONDS, quick_handover
from riskstd.rates.bootstrap import Resampler


@pytest.fixture
def usual():
    before = sys.getswitchinterval()
    yield before
    assert sys.getswitchinterval() == before


def test_the_last_user_of_several_gives_it_back(usual):
    first, second = quick_handover(), quick_handover()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert sys.getswitchinterval() == pytest.approx(QUICK_SECONDS)
    second.__exit__(None, None, None)
    assert sys.getswitchinterval() == usual


def test_it_is_given_back_when_replicates_are_abandoned_half_way(usual):
    rng = np.random.default_rng(3)
    X, facility = rng.integers(0, 2, (600, 2)), np.repeat(np.arange(30), 20)
    fit = fit_hierarchical(rng.random(600) < 0.3, X, facility, method="laplace")
    parts = Resampler(fit, seed=1, threads=2).draw_parts([range(8), range(8, 16), range(16, 24)])
    next(parts)
    assert sys.getswitchinterval() == pytest.approx(QUICK_SECONDS)
    parts.close()
    assert sys.getswitchinterval() == usual


def test_an_interval_that_is_shorter_already_stays(usual):
    sys.setswitchinterval(QUICK_SECONDS / 10)
    try:
        with quick_handover():
            assert sys.getswitchinterval() == pytest.approx(QUICK_SECONDS / 10)
    finally:
        sys.setswitchinterval(usual)
