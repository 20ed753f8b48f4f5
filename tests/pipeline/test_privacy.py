"""No identifier, date of birth or claim id in any message, log, manifest, report or repr, even with debug logging."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pyarrow.parquet as pq
import pytest

from riskstd.claims import read_claims

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@pytest.fixture(scope="module")
def secrets(delivery):
    people, births, claim_ids = set(), set(), set()
    for path in (delivery / "claims").glob("*.parquet"):
        names = pq.read_schema(path).names
        people.update(pq.read_table(path, columns=["BENE_ID"])["BENE_ID"].to_pylist())
        if "CLM_ID" in names:
            claim_ids.update(pq.read_table(path, columns=["CLM_ID"])["CLM_ID"].to_pylist())
        if "BENE_BIRTH_DT" in names:
            births.update(pq.read_table(path, columns=["BENE_BIRTH_DT"])["BENE_BIRTH_DT"].to_pylist())
    days = {text for birth in births if birth for text in styles(birth)}
    assert len(people) > 500
    assert len(claim_ids) > 1000
    assert len(days) > 500
    return {value for value in people | claim_ids | days if value}


def styles(day: date) -> tuple[str, ...]:
    return (
        f"{day:%Y-%m-%d}",
        f"{day:%Y%m%d}",
        f"{day:%d}-{MONTHS[day.month - 1]}-{day:%Y}",
        f"{day.month}/{day.day}/{day:%Y}",
    )


def leaks(text: str, secrets: set[str]) -> int:
    return sum(value in text for value in secrets)


def test_the_scan_finds_what_it_looks_for(secrets):
    assert leaks(f"row {next(iter(secrets))}", secrets) >= 1


def test_messages_logs_manifests_and_reports_hold_no_identifier(delivery, tmp_path, secrets):
    out = tmp_path / "runs"
    words = ["run", "ASC-12", "ASC-18", "--claims", delivery / "claims", "--out", out, "--bootstrap", "20"]
    command = [sys.executable, "-m", "riskstd.cli", "--debug", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert "riskstd DEBUG" in done.stderr
    texts = [done.stdout, done.stderr]
    texts += [path.read_text("utf-8") for path in out.rglob("*") if path.suffix in (".json", ".csv", ".html", ".svg")]
    assert len(texts) > 10
    assert [leaks(text, secrets) for text in texts] == [0] * len(texts)


def test_errors_hold_no_identifier(delivery, tmp_path, secrets):
    source = next((delivery / "claims").glob("carrier_line_2023.parquet"))
    table = pq.read_table(source).to_pandas().head(200)
    table["LINE_1ST_EXPNS_DT"] = "not a day"
    for path in (delivery / "claims").glob("*.parquet"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    table.to_parquet(tmp_path / source.name)
    with pytest.raises(Exception, match="cannot be read") as caught:
        read_claims(tmp_path)
    assert leaks(str(caught.value), secrets) == 0


def test_reprs_hold_no_identifier(claims, secrets):
    from comparing import Found

    found = Found(claims, "ASC-18")
    shown = repr(claims) + repr(found.cohort) + repr(found.measure)
    assert leaks(shown, secrets) == 0
