"""Settings of the interpreter during a bootstrap and a stage, and as before afterwards."""

import gc
import sys

import numpy as np
import pytest

from riskstd import fit_hierarchical
from riskstd.interpreter import QUICK_SECONDS, quick_handover, rare_collections
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


def test_collections_are_rare_while_several_stages_work_and_as_before_afterwards():
    before = gc.get_threshold()
    with rare_collections():
        with rare_collections():
            assert gc.get_threshold()[0] >= 100_000
        assert gc.get_threshold()[0] >= 100_000
    assert gc.get_threshold() == before


def test_collections_that_are_off_stay_off():
    before = gc.get_threshold()
    gc.set_threshold(0)
    try:
        with rare_collections():
            assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*before)


def test_a_stage_that_fails_gives_it_back():
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="nothing"), rare_collections():
        raise ValueError("nothing")
    assert gc.get_threshold() == before
