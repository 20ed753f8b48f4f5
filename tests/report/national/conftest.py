"""Cases that hang together with the simulated run of the folder above."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from riskstd.report import ReportInput
from riskstd.report.cases import Cases, Factor


def make_cases(content: ReportInput, seed: int = 5) -> Cases:
    """Cases of every facility in `content.rates`, as many with a visit as the table says."""
    rng = np.random.default_rng(seed)
    rates = content.rates.sort_values("facility_id", ignore_index=True)
    size = rates["cases"].to_numpy()
    place = np.repeat(np.arange(len(rates)), size)
    n = len(place)
    within = np.arange(n) - np.repeat(np.cumsum(size) - size, size)
    outcome = (within < rates["observed"].to_numpy()[place]).astype(np.int64)
    age = 65 + rng.gamma(2.0, 4.5, n).astype(np.int64)
    spread = rng.normal(0.5 * outcome, 0.6)
    expected = expit(logit(rates["expected"].to_numpy()[place]) + spread - 0.2)
    names = content.measure.factor_columns
    flags = (rng.random((n, len(names))) < 0.2).astype(np.float64)
    types = [k for k, name in enumerate(names) if name.startswith(("procedure_type_", "qualifying_procedures_"))]
    kind = rng.integers(0, len(types) + 1, n)
    for order, k in enumerate(types):
        flags[:, k] = kind == order
    number = rng.integers(0, 10**9, n)
    procedures = pd.DataFrame(
        {
            "procedure_id": np.arange(n),
            "person_id": [f"SECRET-PERSON-{k}" for k in number],
            "facility_id": rates["facility_id"].to_numpy()[place],
            "age_years": age,
            "claim_id": [f"SECRET-CLAIM-{k}" for k in number],
        }
    )
    effect = rates["effect"].to_numpy()[place]
    factors = tuple(Factor(name, name.replace("_", " "), 0.2, is_flag=True) for name in names)
    return Cases(procedures, content.visits, outcome, flags, factors, expected, expit(logit(expected) + effect))


@pytest.fixture(name="make_cases")
def make_cases_fixture() -> Callable[..., Cases]:
    return make_cases
