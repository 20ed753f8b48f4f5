"""One damaged Parquet file among many: it is named, whatever the damage, and nothing of its content is shown."""

from __future__ import annotations

import random

import deliveries
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskstd.claims import read_claims
from riskstd.errors import ClaimsError

PARTS = 4
DAMAGED = "carrier_line_0002.parquet"


@pytest.fixture
def folder(tmp_path):
    """A delivery whose professional lines come in several files, one of them with checksums on its pages."""
    rows = deliveries.ccw_rows()
    del rows["carrier_line"]
    out = deliveries.write(tmp_path / "in", rows)
    for part in range(PARTS):
        lines = [
            deliveries.carrier_line("P1", "C1", "20230502", str(part * 300 + number), ORG_NPI_NUM=f"1{number:09}")
            for number in range(1, 301)
        ]
        path = out / f"carrier_line_{part:04}.parquet"
        pq.write_table(pa.Table.from_pylist(lines), path, row_group_size=100, write_page_checksum=True)
    return out


def footer(content):
    return len(content) - 8 - int.from_bytes(content[-8:-4], "little")


def flip(content, at):
    return content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]


DAMAGES = {
    "nothing in it": lambda content: b"",
    "four bytes": lambda content: content[:4],
    "cut in the footer": lambda content: content[:-20],
    "cut before the footer": lambda content: content[: footer(content)],
    "footer of another length": lambda content: content[:-8] + (1 << 30).to_bytes(4, "little") + content[-4:],
    "footer turned over": lambda content: content[: (at := footer(content))] + content[-9 : at - 1 : -1] + content[-8:],
    "text": lambda content: b"BENE_ID,CLM_ID\nP1,C1\n",
    "zeros": lambda content: bytes(len(content)),
    "rows of zeros": lambda content: content[:4] + bytes(footer(content) - 4) + content[footer(content) :],
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named(folder, tmp_path, damage):
    path = folder / DAMAGED
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    with pytest.raises(ClaimsError, match=DAMAGED.replace(".", r"\.")) as error:
        read_claims(folder, out=tmp_path / "out" / "claims")
    assert "deliver" in str(error.value)
    check_says_no_value(error.value)
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def check_says_no_value(error):
    assert not any(value in str(error) for value in ("P1", "45378", "20230502", deliveries.NPI, "1000000"))


def flipped_bytes(folder, tmp_path, draw, count):
    """Flip bytes of rows and footer; how many of them led to an error."""
    path = folder / DAMAGED
    whole, errors, named = path.read_bytes(), 0, 0
    for number in range(count):
        at = draw.randrange(footer(whole), len(whole)) if number % 3 == 0 else draw.randrange(4, footer(whole))
        path.write_bytes(flip(whole, at))
        try:
            counts = read_claims(folder).counts
        except ClaimsError as error:
            errors += 1
            check_says_no_value(error)
            named += "carrier_line" in str(error)
        else:
            # What still reads as rows is counted: kept, or set aside with its reason.
            aside = counts["set_aside"]["professional_lines"]
            assert counts["kept"]["professional_lines"] + sum(aside.values()) == PARTS * 300, at
    assert named == errors
    return errors


def test_a_flipped_byte_is_an_error_or_its_rows_are_counted(folder, tmp_path):
    assert flipped_bytes(folder, tmp_path, random.Random(2), 4) > 0


@pytest.mark.slow
def test_flipped_bytes_all_over_a_file(folder, tmp_path):
    assert flipped_bytes(folder, tmp_path, random.Random(3), 120) > 30
