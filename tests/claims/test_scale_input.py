"""Bad input among much good input, and machines too small: what is said, and that nothing is left."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import deliveries
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskstd.claims import read_claims, scan
from riskstd.errors import ClaimsError
from riskstd.tables import CLAIMS_TABLES, to_frame


def parquet(path, rows):
    pq.write_table(pa.Table.from_pylist(rows), path)


def many_lines(count):
    return [deliveries.carrier_line("P1", "C1", "20230502", str(number)) for number in range(1, count + 1)]


@pytest.mark.parametrize("start", [4, -1])
def test_one_damaged_parquet_file_among_many_is_named(tmp_path, start):
    folder = deliveries.write(tmp_path / "in", deliveries.ccw_rows())
    (folder / "carrier_line.csv").unlink()
    for part in range(4):
        pq.write_table(
            pa.Table.from_pylist(many_lines(400)[part * 100 : part * 100 + 100]),
            folder / f"carrier_line_{part:04}.parquet",
            row_group_size=50,
        )
    path = folder / "carrier_line_0002.parquet"
    at = start if start > 0 else pq.ParquetFile(path).metadata.row_group(1).column(0).dictionary_page_offset
    damaged = bytearray(path.read_bytes())
    damaged[at : at + 40] = bytes(range(40))
    path.write_bytes(bytes(damaged))
    with pytest.raises(ClaimsError, match=r"carrier_line_0002\.parquet .*(cannot be read|not a valid)"):
        read_claims(folder)
    path.write_bytes(bytes(damaged[:500]))
    with pytest.raises(ClaimsError, match=r"carrier_line_0002\.parquet is not a valid Parquet file"):
        read_claims(folder)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(scan, "BLOCK_BYTES", 4096)


def test_blocks_of_a_file_lead_to_the_same_tables(tmp_path, monkeypatch):
    rows = deliveries.ccw_rows() | {"carrier_line": many_lines(500)}
    folder = deliveries.write(tmp_path / "in", rows)
    read_claims(folder, out=tmp_path / "one")
    monkeypatch.setattr(scan, "BLOCK_BYTES", 4096)
    read_claims(folder, out=tmp_path / "many", memory="500MB")
    for table in CLAIMS_TABLES:
        name = f"{table.name}.parquet"
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes(), table.name


@pytest.mark.usefixtures("small_blocks")
def test_one_malformed_row_among_many_is_named_by_file_and_line(tmp_path):
    folder = deliveries.write(tmp_path / "in", deliveries.ccw_rows() | {"carrier_line": many_lines(500)})
    path = folder / "carrier_line.csv"
    lines = path.read_text("utf-8").split("\n")
    lines[400] += ",extra"
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(ClaimsError, match=r"carrier_line\.csv has rows .* \(first at line 401 of the file\)") as caught:
        read_claims(folder, out=tmp_path / "out" / "claims")
    assert "P1" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("small_blocks")
def test_an_unreadable_date_far_down_is_named_by_file_and_row(tmp_path):
    lines = many_lines(500)
    lines[399]["LINE_1ST_EXPNS_DT"] = "soon"
    rows = deliveries.ccw_rows() | {"carrier_line_a": lines, "carrier_line_b": many_lines(1)}
    rows["carrier_line_b"][0]["LINE_1ST_EXPNS_DT"] = "later"
    del rows["carrier_line"]
    folder = deliveries.write(tmp_path / "in", rows)
    with pytest.raises(ClaimsError) as caught:
        read_claims(folder)
    message = str(caught.value)
    assert "2 cell(s), first at data row(s) 400 of carrier_line_a.csv; 1 of carrier_line_b.csv" in message
    assert "soon" not in message
    claims = read_claims(folder, bad_rows="set_aside")
    assert claims.counts["unreadable_dates"] == {"professional_line.first_date": 2}


@pytest.mark.usefixtures("small_blocks")
def test_a_quoted_cell_over_two_lines_is_read_as_before(tmp_path):
    folder = deliveries.write(tmp_path / "in", deliveries.ccw_rows() | {"carrier_line": many_lines(100)})
    path = folder / "carrier_line.csv"
    path.write_text(path.read_text("utf-8").replace(",45378,", ',"45378\n",', 1), "utf-8")
    assert read_claims(folder).counts["kept"]["professional_lines"] == 100


@pytest.fixture
def three_files(tmp_path):
    """Lines in three files, of which the second is not plain: DuckDB reads it, and the third begins anew."""
    rows = deliveries.ccw_rows()
    del rows["carrier_line"]
    folder = deliveries.write(tmp_path / "in", rows)
    lines = deliveries.table(many_lines(600)).splitlines(keepends=True)
    for part in range(3):
        text = "".join([lines[0], *lines[1 + part * 200 : 201 + part * 200]])
        text = text.replace(",71,", ',"71\n",', 1) if part == 1 else text
        (folder / f"carrier_line_{part}.csv").write_text(text, "utf-8")
    return folder


@pytest.mark.usefixtures("small_blocks")
def test_a_file_that_is_not_plain_among_plain_ones(three_files, tmp_path):
    told = []
    mixed = read_claims(three_files, out=tmp_path / "mixed", progress=lambda done, _, what: told.append((done, what)))
    assert mixed.counts["kept"]["professional_lines"] == 600
    assert [file["rows"] for file in mixed.counts["files"] if file["kind"] == "carrier_line"] == [200, 200, 200]
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    whole = three_files / "carrier_line_1.csv"
    whole.write_text(whole.read_text("utf-8").replace('"71\n"', "71"), "utf-8")
    read_claims(three_files, out=tmp_path / "plain")
    for table in CLAIMS_TABLES:
        one, other = ((tmp_path / name / f"{table.name}.parquet").read_bytes() for name in ("mixed", "plain"))
        assert one == other, table.name


@pytest.mark.usefixtures("small_blocks")
def test_of_two_malformed_files_the_first_is_named(three_files):
    for part in (1, 2):
        with (three_files / f"carrier_line_{part}.csv").open("a", encoding="utf-8") as file:
            file.write("P1,C1\n")
    with pytest.raises(ClaimsError, match=r"carrier_line_1\.csv has rows that do not fit its header"):
        read_claims(three_files)


@pytest.mark.usefixtures("small_blocks")
def test_rows_are_counted_through_files(three_files):
    third = three_files / "carrier_line_2.csv"
    lines = third.read_text("utf-8").splitlines(keepends=True)
    lines[150] = lines[150].replace("20230502", "soon", 1)
    third.write_text("".join(lines), "utf-8")
    with pytest.raises(ClaimsError, match=r"first at data row\(s\) 150 of carrier_line_2\.csv"):
        read_claims(three_files)


def test_columns_whose_type_drifts_between_years_are_the_same_values(tmp_path):
    rows = deliveries.ccw_rows()
    for name, some in rows.items():
        rows[name] = [row | {"BENE_ID": "17"} for row in some]
    folder = deliveries.write(tmp_path / "in", rows)
    for name in ("mbsf_2022", "mbsf_2023", "carrier_base", "carrier_line"):
        (folder / f"{name}.csv").unlink()
    parquet(folder / "mbsf_2022.parquet", [rows["mbsf_2022"][0] | {"BENE_ID": 17, "BENE_ENROLLMT_REF_YR": 2022}])
    parquet(folder / "mbsf_2023.parquet", [rows["mbsf_2023"][0] | {"BENE_ID": 17.0, "BENE_BIRTH_DT": date(1950, 1, 2)}])
    parquet(folder / "carrier_base.parquet", [rows["carrier_base"][0] | {"CLM_FROM_DT": 20230502}])
    parquet(folder / "carrier_line.parquet", [rows["carrier_line"][0] | {"BENE_ID": 17, "LINE_NUM": 1.0}])
    claims = read_claims(folder)
    assert claims.counts["kept"]["people"] == 1
    assert claims.counts["notes"]["people_in_claims_without_a_record"] == 0
    lines = to_frame(claims.professional_lines)
    assert lines[["line_number", "person_key"]].to_numpy().tolist() == [[1, 1]]


def test_too_little_memory_is_said_and_nothing_is_left(tmp_path):
    folder = deliveries.write(tmp_path / "in", deliveries.ccw_rows() | {"carrier_line": many_lines(5000)})
    with pytest.raises(ClaimsError, match="more memory than the 1MB it may use"):
        read_claims(folder, out=tmp_path / "out" / "claims", memory="1MB")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_said_and_nothing_is_left(tmp_path):
    folder = deliveries.write(tmp_path / "in", deliveries.ccw_rows() | {"carrier_line": many_lines(5000)})
    code = (
        "import resource, sys; from riskstd.claims import read_claims; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY)); "
        "read_claims(sys.argv[1], out=sys.argv[2])"
    )
    for limit in (2_000, 14_000):
        out = tmp_path / f"out{limit}"
        ran = subprocess.run(
            [sys.executable, "-c", code, str(folder), str(out / "claims"), str(limit)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "ClaimsError: there is no room left to write claims tables" in ran.stderr, ran.stderr[-800:]
        assert list(out.iterdir()) == []
