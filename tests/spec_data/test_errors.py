"""A definition that is not valid is an error that names file and key."""

from __future__ import annotations

import re

import pytest

from riskstd.errors import OptionError, SpecError
from riskstd.spec import load_measure, parse_definition
from riskstd.spec.codetables import DATA, load_code_table

TEXT = (DATA / "ascqr" / "2025" / "asc-12.toml").read_text("utf-8")


def parse(old: str, new: str) -> None:
    assert old in TEXT
    parse_definition(TEXT.replace(old, new, 1).encode(), "mine.toml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("age_years = 65", "age_years = 65\ncolour = 'red'", r"cohort\.exclusions.*colour: unknown key"),
        ('rule = "age_below"', 'rule = "age_above"', r"cohort\.exclusions.*rule or kind without an implementation"),
        ("history_days = 365\nsettings", "settings", r"risk\.history_days: missing key"),
        ('table = "colonoscopy_codes"\nrole = "qualifying"', 'table = "nowhere"\nrole = "qualifying"', "nowhere"),
        ('role = "high_risk_colonoscopy"', 'role = "riskless"', "table 'colonoscopy_codes' has no role 'riskless'"),
        ('factors = ["age", "arrhythmia"]', 'factors = ["age", "rhythm"]', "no factor 'rhythm'"),
        ('option = "blank_hmo"', 'option = "blank"', "no option 'blank'"),
        ('is_in = ["fee_for_service"]', 'is_in = ["whatever"]', "not among the choices of 'blank_hmo'"),
        ('bill_types = ["13", "85"]', 'bill_types = ["131"]', r"outcome\.visits.*bill_types"),
        ("first_day = 0\nlast_day = 7", "first_day = 0\nlast_day = -7", r"outcome\.last_day"),
        ("[risk]", "[risk", "not valid TOML"),
    ],
)
def test_message_names_file_and_key(old, new, said):
    with pytest.raises(SpecError, match=r"mine\.toml") as caught:
        parse(old, new)
    assert re.search(said, str(caught.value), re.DOTALL), str(caught.value)


def test_clause_without_a_source():
    head, risk = TEXT.split("[risk]\n", 1)
    lines = risk.split("\n")
    first = next(k for k, line in enumerate(lines) if line.startswith("source = "))
    without = "\n".join(lines[:first] + lines[first + 1 :])
    with pytest.raises(SpecError, match=r"mine\.toml.*\n  risk\.source: missing key"):
        parse_definition((head + "[risk]\n" + without).encode(), "mine.toml")


def test_source_that_is_not_among_the_sources():
    with pytest.raises(SpecError, match=r"source: does not start with a key of \[sources\]"):
        parse('source = "manual p. 1-17', 'source = "hearsay p. 1-17')


def test_unknown_measure_year_table_and_option():
    with pytest.raises(SpecError, match="no definition of measure 'ASC-12' for year 1999"):
        load_measure("ASC-12", year=1999)
    with pytest.raises(SpecError, match=r"code table 'nowhere' is not in tables/index\.toml"):
        load_code_table("nowhere")
    with pytest.raises(OptionError, match="option 'carrier_ed' cannot be 'maybe'"):
        load_measure("ASC-12", options={"carrier_ed": "maybe"})
