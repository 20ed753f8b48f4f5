"""Rows by ranges of persons, in memory or on disk, and row groups whatever the pieces."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskstd.claims import rowgroups
from riskstd.claims.ranges import PersonRanges, row_order
from riskstd.claims.rowgroups import MISSING, Coded, RowGroups
from riskstd.tables import Column, Table

TABLE = Table("lines", "", (Column("claim_id", "text", ""), Column("day", "date", ""), Column("code", "text", "")), ())


def test_ranges_on_disk_hold_what_ranges_in_memory_hold(tmp_path):
    random = np.random.default_rng(1)
    kept = PersonRanges(50, 7), PersonRanges(50, 7, tmp_path / "ranges")
    for size in (40, 1, 90):
        persons = random.integers(1, 51, size)
        columns = {"day": random.integers(0, 9, size, np.int32), "id": np.array([f"c{p}" for p in persons], "S5")}
        places = [ranges.keep("lines", ranges.part(persons, columns)) for ranges in kept]
        assert np.array_equal(*places)
    sizes = []
    for number in range(7):
        one, other = (ranges.load("lines", number) for ranges in kept)
        assert one.keys() == other.keys() == {"day", "id"}
        assert all(np.array_equal(one[name], other[name]) for name in one)
        sizes.append(len(one["day"]))
    assert sum(sizes) == 131
    kept[1].forget("lines", 3)
    assert kept[1].load("lines", 3) == {}


@pytest.mark.parametrize("top", [9, 1 << 18, 1 << 19, 1 << 40])
def test_rows_are_ordered_by_numbers_that_fit_one_number_with_their_places_or_do_not(top):
    random = np.random.default_rng(2)
    keys = [random.integers(-top, top, 300) for _ in range(3)]
    rows = list(zip(*(key.tolist() for key in keys), strict=True))
    assert [rows[n] for n in row_order(*keys)] == sorted(rows)


@pytest.mark.parametrize("cuts", [[23], [1, 9, 13], [5, 5, 5, 5, 3]])
def test_bytes_do_not_depend_on_the_pieces(tmp_path, monkeypatch, cuts):
    monkeypatch.setattr(rowgroups, "ROWS_OF_A_GROUP", 6)
    texts = pa.array(["a", "b", "c"])
    ids = np.array([f"{n % 11}" for n in range(23)], "S2")
    days = np.where(np.arange(23) % 5, np.arange(23), MISSING).astype(np.int32)
    codes = (np.arange(23) % 4 - 1).astype(np.int32)
    for name, sizes in (("one", [10, 13]), ("other", cuts)):
        writer, at = RowGroups(TABLE, tmp_path / name), 0
        for size in sizes:
            rows = slice(at, at := at + size)
            writer.add({"claim_id": ids[rows], "day": days[rows], "code": Coded(codes[rows], texts)})
        assert writer.close() == 23
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    found = pq.read_table(tmp_path / "one")
    assert pq.ParquetFile(tmp_path / "one").num_row_groups == 4
    assert found.column("claim_id").to_pylist() == [text.decode() for text in ids]
    assert found.column("code").to_pylist() == [None if n < 0 else "abc"[n] for n in codes]
    assert found.column("day").null_count == 5


@pytest.mark.parametrize("cuts", [[12], [3, 9], [1, 1, 4, 6]])
def test_a_fixed_list_is_written_whole_whatever_the_pieces(tmp_path, monkeypatch, cuts):
    monkeypatch.setattr(rowgroups, "ROWS_OF_A_GROUP", 5)
    days, codes = np.arange(12, dtype=np.int32), np.array([0] * 6 + [2] * 6, np.int32)
    for name, sizes in (("one", [5, 7]), ("other", cuts)):
        writer, at = RowGroups(TABLE, tmp_path / name), 0
        for size in sizes:
            rows = slice(at, at := at + size)
            code = Coded(codes[rows], pa.array(["a", "b", "c"]), fixed=True)
            writer.add({"claim_id": np.full(size, b"c", "S1"), "day": days[rows], "code": code})
        writer.close()
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
