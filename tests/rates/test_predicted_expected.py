"""Scoring with given coefficients, against the figures CMS prints."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from riskstd.errors import FitError
from riskstd.rates import predicted_expected

REPORT = json.loads((Path(__file__).parent / "data" / "mock_hsr.json").read_text())
PRINTED_DECIMALS = 1e-10
CASES = {"AMI": 2, "COPD": 18, "PN": 32}


def cohort_rows(cohort):
    flags = [[int(flag) for flag in row] for row in cohort["conditions"]]
    return np.column_stack([cohort["years_over_65"], flags]).astype(float)


@pytest.mark.parametrize("name", CASES)
def test_mock_report_is_reproduced(name):
    cohort = REPORT[name]
    X = cohort_rows(cohort)
    scored = predicted_expected(
        X,
        ["hospital"] * len(X),
        mu=cohort["average_effect"],
        beta=cohort["coefficients"],
        effects={"hospital": cohort["hospital_effect"] - cohort["average_effect"]},
    )
    assert scored.cases.tolist() == [CASES[name]]
    assert_allclose(scored.predicted, cohort["predicted"], atol=PRINTED_DECIMALS)
    assert_allclose(scored.expected, cohort["expected"], atol=PRINTED_DECIMALS)
    assert_allclose(scored.ratio, cohort["ratio"], atol=PRINTED_DECIMALS)


def test_fit_scores_its_own_cases(fit, rows):
    scored = predicted_expected(rows.X, rows.facility, mu=fit.mu, beta=fit.beta, effects=fit.effects)
    p = fit.predict(rows.X, rows.facility)
    by_hand = [p[rows.facility == j].mean() for j in range(25)]
    assert_allclose(scored.predicted, by_hand, rtol=1e-12)


def test_coefficients_by_name_follow_the_columns():
    X = pd.DataFrame({"b": [1.0, 0.0], "a": [0.0, 1.0]})
    scored = predicted_expected(X, ["f", "f"], mu=-1.0, beta={"a": 2.0, "b": -3.0}, effects={"f": 0.5})
    expected = np.mean(1 / (1 + np.exp(-np.array([-4.0, 1.0]))))
    assert_allclose(scored.expected, [expected])
    assert scored.to_frame().columns.tolist() == ["facility_id", "cases", "predicted", "expected", "ratio"]
    assert repr(scored) == "PredictedExpected(1 facilities, 2 cases)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": {"a": 1.0}}, "columns without coefficient: b"),
        ({"beta": {"a": 1.0, "b": 1.0, "c": 1.0}}, "coefficients without column: c"),
        ({"beta": [1.0]}, r"beta of shape \(1,\)"),
        ({"beta": [1.0, np.nan]}, "1 values not finite"),
        ({"effects": {"g": 0.0}}, "1 of 1 facilities have no effect"),
        ({"effects": [0.0, 1.0]}, r"effects of shape \(2,\)"),
        ({"facility": ["f"]}, "facility has 1 labels, X has 2 rows"),
    ],
)
def test_mismatches_are_refused(change, message):
    arguments = {"beta": [1.0, 1.0], "effects": {"f": 0.0}, "facility": ["f", "f"], **change}
    X = pd.DataFrame({"a": [0.0, 1.0], "b": [1.0, 0.0]})
    with pytest.raises(FitError, match=message):
        predicted_expected(X, arguments.pop("facility"), mu=0.0, **arguments)
