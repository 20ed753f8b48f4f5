"""`riskstd assure --mutants`: what no invented patient notices, and the exit code."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import riskstd.pipeline.assurance as assurance
from riskstd.cli import app

PATIENTS = Path(__file__).parents[1] / "spec" / "patients" / "asc-18.toml"


class Score:
    """A score with some mutants that survive."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def in_words(self) -> str:
        return "ASC-18: 7 of 9 changes noticed"

    def of(self, status: str) -> list[object]:
        assert status == "survives"
        return [type("Tried", (), {"mutant": type("Mutant", (), {"name": name})}) for name in self._names]


@pytest.mark.parametrize(("survivors", "code"), [((), 0), (("outcome.window: last day + 1",), 1)])
def test_survivors_are_named_and_fail(survivors, code, monkeypatch):
    asked = {}

    def score(files, measure, *, year):
        asked.update(files=files, measure=measure, year=year)
        return Score(*survivors)

    monkeypatch.setattr(assurance, "mutation_score", score)
    done = CliRunner().invoke(app, ["assure", str(PATIENTS), "--measure", "ASC-18", "--mutants"])
    assert done.exit_code == code
    assert asked == {"files": [PATIENTS], "measure": "ASC-18", "year": 2025}
    assert "7 of 9" in done.stdout
    assert all(f"no patient notices: {name}" in done.stdout for name in survivors)


def test_a_measure_is_needed():
    done = CliRunner().invoke(app, ["assure", str(PATIENTS), "--mutants"])
    assert done.exit_code != 0
    assert "needs a measure" in str(done.exception) + done.output
