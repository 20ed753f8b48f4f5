"""Progress of the bootstrap: a callable, a bar on standard error, or nothing."""

from __future__ import annotations

import pytest

from riskstd.rates import standardize
from riskstd.rates.bootstrap import CHUNK


def test_callable_is_told_after_each_chunk(fit):
    calls = []
    standardize(fit, n_bootstrap=CHUNK + 20, seed=1, progress=lambda *call: calls.append(call))
    assert calls == [(CHUNK, CHUNK + 20), (CHUNK + 20, CHUNK + 20)]


def test_bar_is_drawn_on_standard_error(fit, capsys):
    standardize(fit, n_bootstrap=30, seed=1, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "bootstrap replicates" in err
    assert "30/30" in err


@pytest.mark.parametrize("progress", [None, False])
def test_nothing_is_drawn_unless_asked_for(fit, capsys, progress):
    standardize(fit, n_bootstrap=30, seed=1, progress=progress)
    assert capsys.readouterr() == ("", "")
