"""Volumes of a nation: the published quantiles, counts and combinations of measures."""

from __future__ import annotations

import numpy as np
import pytest

from riskstd.synth.codebook import YEARS, CodeBook
from riskstd.synth.plan import Vocabulary
from riskstd.synth.profile import measure_profile
from riskstd.synth.synthesize import MEASURES
from riskstd.synth.volumes import draw_measures_done, draw_volumes, nation_facts, published, set_probabilities

# Median cases and cases of all scored facilities: CMS facility file of July 2024.
MEDIANS = {"ASC-12": 739, "ASC-17": 172, "ASC-18": 137, "ASC-19": 73}
TOTALS = {"ASC-12": 2_167_319, "ASC-17": 471_363, "ASC-18": 159_983, "ASC-19": 241_911}
LOG_SD = {"ASC-12": 1.21, "ASC-17": 0.92, "ASC-18": 1.01, "ASC-19": 0.97}


@pytest.fixture(scope="module")
def nation():
    profiles = [measure_profile(name) for name in MEASURES]
    return draw_volumes(nation_facts()["facilities"], profiles, np.random.default_rng(2))


@pytest.mark.parametrize("measure", MEASURES)
def test_volumes_of_a_nation_are_as_published(nation, measure):
    known = published(measure)
    cases = nation[measure][nation[measure] > 0]
    scored = cases[cases >= known.cases[0]]
    assert len(scored) == pytest.approx(known.scored, rel=0.01)
    assert len(cases) == pytest.approx(known.facilities, rel=0.01)
    assert np.median(scored) == pytest.approx(MEDIANS[measure], rel=0.02)
    assert scored.sum() == pytest.approx(TOTALS[measure], rel=0.05)
    assert np.log(scored).std() == pytest.approx(LOG_SD[measure], rel=0.04)
    drawn = np.quantile(scored, known.probabilities[1:-1])
    np.testing.assert_allclose(drawn, known.cases[1:-1], rtol=0.05)
    assert scored.max() <= known.cases[-1]


def test_a_small_part_has_the_volumes_of_the_nation():
    profiles = [measure_profile(name) for name in MEASURES]
    many = [draw_volumes(116, profiles, np.random.default_rng(seed)) for seed in range(20)]
    for measure in MEASURES:
        known = published(measure)
        cases = np.concatenate([part[measure][part[measure] >= known.cases[0]] for part in many])
        assert np.median(cases) == pytest.approx(MEDIANS[measure], rel=0.05)
        totals = [part[measure].sum() for part in many]
        assert max(totals) < 1.2 * TOTALS[measure] * 116 / nation_facts()["facilities"] * 1.15


def test_sets_of_measures_have_the_published_margins():
    facts = nation_facts()
    sets, p = set_probabilities()
    assert p.sum() == pytest.approx(1)
    n = facts["facilities"]
    np.testing.assert_allclose(np.bincount(sets.sum(axis=1), weights=p) * n, facts["measures_done"], rtol=1e-6)
    np.testing.assert_allclose(p @ sets * n, [published(m).facilities for m in MEASURES], rtol=1e-6)
    done = draw_measures_done(n, np.random.default_rng(0)).sum(axis=1)
    assert ((done >= 1) & (done <= 2)).mean() > 0.6


def test_published_counts_agree_with_each_other():
    facts = nation_facts()
    by_size = sum(k * count for k, count in enumerate(facts["measures_done"]))
    assert by_size == sum(published(m).facilities for m in MEASURES)
    assert sum(facts["measures_done"]) == facts["facilities"]


@pytest.mark.parametrize("measure", MEASURES)
def test_other_surgery_is_no_candidate(measure):
    book = CodeBook(measure_profile(measure).measure, Vocabulary())
    codes = nation_facts()["other_surgery"]["codes"]
    assert not [code for code in codes for year in YEARS if code in book.qualifying(year)]
