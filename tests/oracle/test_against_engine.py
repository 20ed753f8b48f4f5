"""The engine and the oracle agree on random claims: one set at a time, and many sets in one run."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from oracle.checking import batch_disagreements, disagreements, small_disagreement
from oracle.chooser import HypothesisChooser
from oracle.palette import palette_of
from oracle.randomclaims import Tables, Terms, random_claims, random_terms
from riskstd.spec import list_measures, load_measure

MEASURES = [measure_id for measure_id, _ in list_measures()]
SETS_PER_RUN = 60
FAST_SEEDS, SLOW_SEEDS = range(1, 3), range(100, 112)
# An engine run costs about a second: `small_disagreement` shrinks with many candidates in one run, Hypothesis
# would need a run for each.
CALM = settings(
    phases=[Phase.explicit, Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)


@st.composite
def trials(draw: st.DrawFn) -> tuple[str, Terms, Tables]:
    """A measure, the terms of a run, and a small set of claims."""
    choose = HypothesisChooser(draw)
    measure_id = choose.pick(MEASURES)
    terms = random_terms(choose, load_measure(measure_id))
    return measure_id, terms, random_claims(choose, palette_of(measure_id), people=2)


def check_one_set(trial: tuple[str, Terms, Tables]) -> None:
    measure_id, terms, claims = trial
    found = disagreements(claims, measure_id, terms)
    if found:
        found = small_disagreement(claims, found, measure_id, terms)
    assert not found, "\n".join(found)


@settings(CALM, max_examples=4)
@given(trials())
def test_one_random_set(trial: tuple[str, Terms, Tables]) -> None:
    check_one_set(trial)


@pytest.mark.slow
@settings(CALM, max_examples=150)
@given(trials())
def test_one_random_set_many_times(trial: tuple[str, Terms, Tables]) -> None:
    check_one_set(trial)


@pytest.mark.parametrize("measure_id", MEASURES)
@pytest.mark.parametrize("seed", FAST_SEEDS)
def test_many_random_sets_in_one_run(measure_id: str, seed: int) -> None:
    found = batch_disagreements(measure_id, seed, SETS_PER_RUN)
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("measure_id", MEASURES)
@pytest.mark.parametrize("seed", SLOW_SEEDS)
def test_many_more_random_sets(measure_id: str, seed: int) -> None:
    """12 seeds x 4 measures x 60 sets = 2,880 sets."""
    found = batch_disagreements(measure_id, seed, SETS_PER_RUN)
    assert not found, "\n".join(found)
