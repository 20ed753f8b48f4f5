"""Rows far into a large input: numbers beyond 32 bits, and one malformed row in millions named by its place."""

from __future__ import annotations

import deliveries
import pytest

from riskstd.claims import blocks, filing, read_claims, scan
from riskstd.errors import ClaimsError
from riskstd.tables import CLAIMS_TABLES

FAR = 3_000_000_000
MANY = 3_000_000
HEADER = (
    "BENE_ID,CLM_ID,NCH_CLM_TYPE_CD,LINE_NUM,HCPCS_CD,LINE_CMS_TYPE_SRVC_CD,LINE_PLACE_OF_SRVC_CD,LINE_1ST_EXPNS_DT"
)


def many_lines(count):
    return [deliveries.carrier_line("P1", "C1", "20230502", str(number)) for number in range(1, count + 1)]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "BLOCK_BYTES", 4096)
    rows = deliveries.ccw_rows() | {"carrier_line": many_lines(300)}
    rows["carrier_line"] += rows["carrier_line"][:5]
    rows["carrier_base"] += rows["carrier_base"]
    rows["outpatient_base"].append(rows["outpatient_base"][0] | {"PRNCPAL_DGNS_CD": "K635"})
    return deliveries.write(tmp_path / "in", rows)


def test_rows_beyond_32_bits_lead_to_the_same_tables(folder, tmp_path, monkeypatch):
    near = read_claims(folder, out=tmp_path / "near")
    real, seen = blocks.BlockFolder.new_number, []

    def far_number(folder):
        if not folder._next:
            folder._next = 1 + FAR // blocks.ROWS_OF_A_BLOCK
        seen.append(real(folder))
        return seen[-1]

    monkeypatch.setattr(blocks.BlockFolder, "new_number", far_number)
    far = read_claims(folder, out=tmp_path / "far")
    assert min(seen) * blocks.ROWS_OF_A_BLOCK > 2**31
    assert len(seen) > 15
    assert far.counts == near.counts
    assert near.counts["set_aside"]["professional_lines"] == {"duplicate_line": 5}
    for table in CLAIMS_TABLES:
        one, other = ((tmp_path / name / f"{table.name}.parquet").read_bytes() for name in ("near", "far"))
        assert one == other, table.name


def test_a_date_beyond_32_bits_is_named_by_its_row(folder, monkeypatch):
    path = folder / "carrier_line.csv"
    lines = path.read_text("utf-8").split("\n")
    lines[250] = lines[250].replace("20230502", "soon")
    path.write_text("\n".join(lines), "utf-8")
    real = filing._note_places
    monkeypatch.setattr(filing, "_note_places", lambda bad, found, before: real(bad, found, before + FAR))
    with pytest.raises(ClaimsError, match="LINE_1ST_EXPNS_DT: 1 cell") as error:
        read_claims(folder)
    assert f"data row(s) {FAR + 250} of carrier_line.csv" in str(error.value).replace(",", "")
    assert "soon" not in str(error.value)


@pytest.fixture
def large(tmp_path):
    """A file of three million lines, to be ended by a row of the test."""
    rows = deliveries.ccw_rows()
    del rows["carrier_line"]
    folder = deliveries.write(tmp_path / "in", rows)

    def end(row):
        with (folder / "carrier_line.csv").open("w", encoding="utf-8") as file:
            file.write(HEADER + "\n")
            for first in range(1, MANY, 100_000):
                file.writelines(f"P1,C1,71,{n},45378,F,24,20230502\n" for n in range(first, first + 100_000))
            file.write(row + "\n")
        return folder

    return end


@pytest.mark.slow
def test_one_malformed_row_after_millions_is_named_by_its_line(large, tmp_path):
    folder = large("P1,C1,71,1,45378,F,24,20230502,more")
    with pytest.raises(ClaimsError, match="rows that do not fit its header of 8 columns") as error:
        read_claims(folder, out=tmp_path / "out" / "claims")
    assert f"carrier_line.csv has rows that do not fit its header of 8 columns (first at line {MANY + 2} of" in str(
        error.value
    )
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.slow
def test_one_date_after_millions_is_named_by_its_row_or_set_aside(large, tmp_path):
    folder = large("P1,C1,71,3000001,45378,F,24,2023-99-99")
    with pytest.raises(ClaimsError, match="LINE_1ST_EXPNS_DT: 1 cell") as error:
        read_claims(folder)
    assert f"first at data row(s) {MANY + 1} of carrier_line.csv" in str(error.value).replace(",", "")
    claims = read_claims(folder, bad_rows="set_aside")
    assert claims.counts["unreadable_dates"] == {"professional_line.first_date": 1}
    assert claims.counts["kept"]["professional_lines"] == MANY + 1
