"""One fit by GPBoost, in the environment of the peers. Its one argument is a job as JSON text."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import gpboost
import numpy as np

CONVERGED = {"optimizer_cov": "lbfgs", "delta_rel_conv": 1e-10, "maxit": 1000}
"""The loosest tolerance whose log-likelihood is within 1e-6 of that of the tightest."""


def main() -> None:
    job = json.loads(sys.argv[1])
    with np.load(job["rows"]) as rows:
        y, X, facility = rows["y"], rows["X"], rows["facility"]
    design = np.column_stack([np.ones(len(y)), X])
    model = gpboost.GPModel(group_data=facility, likelihood="bernoulli_logit")
    model.fit(y=y.astype(float), X=design, params=CONVERGED if job["converged"] else None)
    coefficients = np.asarray(model.get_coef(), dtype=float).ravel()[: design.shape[1]]
    by_row = model.predict_training_data_random_effects()["Group_1"].to_numpy(float)
    _, first = np.unique(facility, return_index=True)
    found = {
        "mu": coefficients[0],
        "beta": coefficients[1:].tolist(),
        "tau": float(np.asarray(model.get_cov_pars(), dtype=float).ravel()[0]) ** 0.5,
        "effects": by_row[first].tolist(),
        "warnings": [],
        "version": f"GPBoost {version('gpboost')}",
    }
    Path(job["out"]).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main()
