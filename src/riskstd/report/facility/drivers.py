"""What drives the score of one facility: from the national rate to it in steps that add up, and its case mix.

With N the national rate, A the mean expected probability of all cases of the run, O, E and P the observed
rate, the mean expected and the mean predicted probability of the facility's own cases, the steps are

    average facility  A - N        an average facility lies below a nation whose visits gather at some
    case mix          E - A        own cases at an average facility against all cases there
    own results       O - E        own cases as they went against own cases at an average facility
    risk adjustment   N O / E - O  the observed rate put on the nation's mix of patients
    shrinkage         N (P - O) / E  from observed / expected to predicted / expected

so that N + the first three is O, and O + the last two is the score N P / E. All are printed on the scale of
the measure; on the scale of a ratio they are multiples of N.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from riskstd.report.content import comparator_of
from riskstd.report.disclosure.suppression import shown_share
from riskstd.report.wording import Suppressed
from riskstd.spec import Measure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from riskstd.report.cases import Cases

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Decomposition:
    """The steps from the national rate to a score, in the scale of the measure.

    Examples
    --------
    >>> steps = Decomposition(20.0, -1.0, 2.0, 5.0, -1.5, -3.0)
    >>> steps.observed, steps.score
    (26.0, 21.5)
    """

    national: float
    average_facility: float
    case_mix: float
    own_results: float
    risk_adjustment: float
    shrinkage: float

    @property
    def observed(self) -> float:
        """Observed rate of the facility."""
        return self.national + self.average_facility + self.case_mix + self.own_results

    @property
    def score(self) -> float:
        """Risk-standardized score of the facility."""
        return self.observed + self.risk_adjustment + self.shrinkage


def decompose(
    row: Mapping[str, Any], measure: Measure, *, national_rate: float | None, expected_of_all: float
) -> Decomposition:
    """Split the way from the national rate to the score of a facility.

    Parameters
    ----------
    row : mapping
        Row of the facility in the table `facility_rates`.
    measure : Measure
    national_rate : float or None
        A proportion, whatever the scale.
    expected_of_all : float
        Mean expected probability of all cases of the run.

    Returns
    -------
    Decomposition
    """
    comparator = comparator_of(measure, national_rate)
    nation = float(national_rate) if national_rate else expected_of_all
    expected, predicted = float(row["expected"]), float(row["predicted"])
    observed = float(row["observed"]) / float(row["cases"])
    unit = comparator / nation
    return Decomposition(
        national=comparator,
        average_facility=unit * (expected_of_all - nation),
        case_mix=unit * (expected - expected_of_all),
        own_results=unit * (observed - expected),
        risk_adjustment=comparator * observed / expected - unit * observed,
        shrinkage=comparator * (predicted - observed) / expected,
    )


@dataclass(frozen=True)
class MixDifference:
    """A risk factor that the own patients have more or less of than all patients of the run.

    Attributes
    ----------
    label : str
    is_share : bool
        Whether own and nation are shares of patients, else means.
    own, nation : float
    contribution : float
        Coefficient times difference, in log-odds: what it adds to the expected risk of the own patients.
    """

    label: str
    is_share: bool
    own: float
    nation: float
    contribution: float


def mix_differences(own: Cases, nation_means: FloatArray, n_nation: int, *, most: int = 3) -> tuple[MixDifference, ...]:
    """Return the risk factors that move the own expected risk furthest, largest first.

    Left out are factors whose number of patients elsewhere is small or follows from a small number.

    Parameters
    ----------
    own : Cases
        Of the facility.
    nation_means : ndarray, shape (n_factors,)
        Means of the risk factors over all cases of the run.
    n_nation : int
        All cases of the run.
    most : int
        How many to return at most.

    Returns
    -------
    tuple of MixDifference
    """
    means = own.X.mean(axis=0)
    found = []
    for factor, mean, nation, column in zip(own.factors, means, nation_means, own.X.T, strict=True):
        part = round(float(nation) * n_nation - float(column.sum())) if factor.is_flag else 0
        if factor.is_flag and isinstance(shown_share(part, n_nation - len(own)), Suppressed):
            continue
        weight = factor.beta * float(mean - nation)
        if weight != 0.0:
            found.append(MixDifference(factor.label, factor.is_flag, float(mean), float(nation), weight))
    return tuple(sorted(found, key=lambda d: (-abs(d.contribution), d.label))[:most])
