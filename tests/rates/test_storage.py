"""Replicates kept in memory and in files: the same numbers, bounded memory, nothing left behind."""

from __future__ import annotations

import errno
import tempfile
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from riskstd.errors import OptionError
from riskstd.rates import standardize, storage
from riskstd.rates.bootstrap import Replicates
from riskstd.rates.percentiles import summarize_draws
from riskstd.rates.storage import CHUNK, FileStore, ReplicateStore, fill_store, open_store


class NumberedSampler:
    """Replicate r of facility j has ratio r + j / n; every seventh replicate is dropped."""

    def __init__(self, n_facilities):
        self.n_facilities = n_facilities
        self.asked = []

    def draw_parts(self, parts):
        for numbers in parts:
            middle = len(numbers) // 3
            yield [self.draw(piece) for piece in (numbers[:middle], numbers[middle:])]

    def draw(self, numbers):
        self.asked += list(numbers)
        number = np.array(numbers, dtype=float)
        dropped = number % 7 == 3
        ratio = number[:, None] + np.arange(self.n_facilities) / self.n_facilities
        ratio[dropped] = np.nan
        return Replicates(ratio, number / 1e4, dropped, number % 5 == 0, number % 3 == 0, number.astype(int))


@pytest.mark.parametrize("n_replicates", [20, CHUNK, 3 * CHUNK + 17])
def test_stores_give_back_what_was_drawn(tmp_path, monkeypatch, n_replicates):
    monkeypatch.setattr(storage, "BLOCK_BYTES", 4 * 8 * n_replicates)
    expected = NumberedSampler(9).draw(range(n_replicates))
    for store in (ReplicateStore(9), FileStore(9, tmp_path, durable=False)):
        calls = []
        fill_store(store, lambda: NumberedSampler(9), n_replicates, lambda *call, calls=calls: calls.append(call))
        blocks = [block.copy() for block in store.ratio_blocks(n_replicates)]
        assert [len(block) for block in blocks] == [4, 4, 1]
        assert_array_equal(np.vstack(blocks).T, expected.ratio)
        for name, values in store.per_replicate(n_replicates).items():
            assert_array_equal(values, getattr(expected, name))
        steps = [*range(CHUNK, n_replicates, CHUNK), n_replicates]
        assert calls == [(done, n_replicates) for done in steps]


def test_only_missing_replicates_are_drawn(tmp_path):
    store, first, second = FileStore(4, tmp_path, durable=True), NumberedSampler(4), NumberedSampler(4)
    fill_store(store, lambda: first, CHUNK + 10)
    fill_store(store, lambda: second, 2 * CHUNK + 5)
    assert first.asked == list(range(CHUNK + 10))
    assert second.asked == list(range(CHUNK + 10, 2 * CHUNK + 5))
    fill_store(store, lambda: pytest.fail("nothing is missing"), 50)
    expected = NumberedSampler(4).draw(range(2 * CHUNK + 5)).ratio
    assert_array_equal(np.vstack([block.copy() for block in store.ratio_blocks(2 * CHUNK + 5)]).T, expected)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-8]),
        lambda path: path.write_bytes(path.read_bytes() + b"\0"),
        lambda path: path.write_bytes(b""),
        lambda path: np.save(path, np.zeros((3, 5))),
        lambda path: np.save(path, np.zeros((9, CHUNK), dtype=np.float32)),
    ],
)
def test_file_that_is_not_whole_is_drawn_again(tmp_path, damage):
    store = FileStore(4, tmp_path, durable=False)
    fill_store(store, lambda: NumberedSampler(4), CHUNK)
    assert store.kept(0) == CHUNK
    (path,) = tmp_path.iterdir()
    damage(path)
    assert store.kept(0) == 0
    again = NumberedSampler(4)
    fill_store(store, lambda: again, CHUNK)
    assert again.asked == list(range(CHUNK))


def test_large_bootstrap_goes_to_files_with_the_same_bits(fit, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    small = standardize(fit, n_bootstrap=30, seed=4)
    assert not list(tmp_path.iterdir())
    used = []
    kept = FileStore.write
    monkeypatch.setattr(FileStore, "write", lambda self, *chunk: (used.append(1), kept(self, *chunk)))
    monkeypatch.setattr(storage, "MEMORY_LIMIT_BYTES", 1)
    large = standardize(fit, n_bootstrap=30, seed=4)
    assert used
    for name in ("lower", "upper", "flip_probability", "replicates_to_settle"):
        assert_array_equal(getattr(small, name), getattr(large, name))
    assert not list(tmp_path.iterdir())


def test_temporary_files_are_removed_after_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(storage, "MEMORY_LIMIT_BYTES", 1)
    with pytest.raises(KeyboardInterrupt), open_store(4, 50) as store:  # noqa: PT012
        fill_store(store, lambda: NumberedSampler(4), 50)
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_disk_without_room_is_refused_before_drawing(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: SimpleNamespace(free=100e6))
    with pytest.raises(OptionError, match=r"100 MB free at '.*(.|\n)*658 MB for 20,000 replicates of 4,000"):
        open_store(4000, 20_000).__enter__()
    assert not list(tmp_path.iterdir())


def test_disk_that_fills_up_is_reported(monkeypatch, tmp_path):
    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    store = FileStore(4, tmp_path, durable=True)
    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OptionError, match="No space left on device"):
        fill_store(store, lambda: NumberedSampler(4), 10)
    assert not list(tmp_path.iterdir())


def test_memory_is_bounded_by_chunk_and_block(monkeypatch, tmp_path):
    n_facilities, n_replicates = 500, 4000
    monkeypatch.setattr(storage, "BLOCK_BYTES", 2**20)
    store = FileStore(n_facilities, tmp_path, durable=False)
    tracemalloc.start()
    fill_store(store, lambda: NumberedSampler(n_facilities), n_replicates)
    summarize_draws(store.ratio_blocks(n_replicates), (0.95, 0.9), 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) > 16e6
    assert peak < 6 * 2**20
