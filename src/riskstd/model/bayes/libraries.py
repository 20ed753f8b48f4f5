"""The libraries of the extra `riskstd[bayes]`, loaded on first use."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from riskstd.errors import OptionError


def load_library(name: str) -> Any:
    """Module of the extra.

    Parameters
    ----------
    name : str
        Such as "nutpie".

    Raises
    ------
    OptionError
        When it is not installed.

    Examples
    --------
    >>> load_library("no_such_sampler")
    Traceback (most recent call last):
    riskstd.errors.OptionError: the Bayesian model needs no_such_sampler, which is not installed
      expected: the extra riskstd[bayes]
      what to do: pip install "riskstd[bayes]", or choose another method
    """
    try:
        with warnings.catch_warnings():
            # ArviZ 0.23 announces its next major version on the first import of the day
            warnings.simplefilter("ignore", FutureWarning)
            return importlib.import_module(name)
    except ImportError as error:
        raise OptionError(
            f"the Bayesian model needs {error.name or name}, which is not installed",
            expected="the extra riskstd[bayes]",
            hint='pip install "riskstd[bayes]", or choose another method',
        ) from None
