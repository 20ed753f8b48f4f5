"""A saved fit comes back with the same bits, without its data, and nothing else is taken for one."""

from __future__ import annotations

import datetime
import json
import zipfile
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from riskstd.errors import FitError
from riskstd.model import fit_hierarchical
from riskstd.model.formula import fit_formula
from riskstd.model.result import HierarchicalFit
from riskstd.model.storage import load_fit
from riskstd.rates import predicted_expected, standardize

NAMES = ["years", "diabetes", "copd", "cancer"]
PUBLIC = [part.name for part in fields(HierarchicalFit) if not part.name.startswith("_")]


@pytest.fixture(scope="module")
def fit(simulated):
    return fit_hierarchical(simulated.y, simulated.X, simulated.facility, factor_names=NAMES)


def round_trip(fit, folder):
    fit.save(folder / "fit.npz")
    return load_fit(folder / "fit.npz")


def assert_equal_fits(one, two):
    """Every public field: type, dtype and bits, NaN included."""
    for name in PUBLIC:
        a, b = getattr(one, name), getattr(two, name)
        assert type(a) is type(b), name
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype, name
            assert a.dtype.kind == "O" or a.tobytes() == b.tobytes(), name
            assert_array_equal(a, b, err_msg=name)
        elif isinstance(a, float):
            assert np.float64(a).tobytes() == np.float64(b).tobytes(), name
        else:
            assert a == b, name


@pytest.mark.parametrize("options", [{}, {"method": "laplace"}, {"method": "pql"}, {"method": "agq", "n_nodes": 15}])
def test_round_trip_keeps_every_bit(simulated, options, tmp_path):
    fit = fit_hierarchical(simulated.y, simulated.X, simulated.facility, factor_names=NAMES, **options)
    assert_equal_fits(fit, round_trip(fit, tmp_path))


def test_boundary_with_its_nan(tmp_path):
    y, x = np.tile([0, 0, 1, 0, 1], 40), np.tile([0, 1, 0, 1, 1], 40)
    fit = fit_hierarchical(y, x, np.repeat(np.arange(20), 10))
    assert fit.singular
    again = round_trip(fit, tmp_path)
    assert np.isnan(again.tau_se)
    assert_equal_fits(fit, again)
    assert again.summary() == fit.summary()


def test_a_loaded_fit_shows_and_predicts(fit, simulated, tmp_path):
    again = round_trip(fit, tmp_path)
    assert again.summary() == fit.summary()
    assert repr(again) == repr(fit)
    pd.testing.assert_frame_equal(again.to_frame(), fit.to_frame())
    pd.testing.assert_frame_equal(again.effects_frame(), fit.effects_frame())
    predicted = again.predict(simulated.X, simulated.facility)
    assert_array_equal(predicted, fit.predict(simulated.X, simulated.facility))
    effects = dict(zip(again.facilities.tolist(), again.effects, strict=True))
    scored = predicted_expected(simulated.X, simulated.facility, mu=again.mu, beta=again.beta, effects=effects)
    assert_array_equal(scored.facilities, fit.facilities)
    with pytest.raises(ValueError, match="read-only"):
        again.beta[0] = 1.0


def test_what_needs_data_says_so(fit, tmp_path):
    again = round_trip(fit, tmp_path)
    for interval in ("none", "plug-in", "bootstrap"):
        with pytest.raises(FitError, match="saved without its data") as caught:
            standardize(again, interval=interval, n_bootstrap=20, seed=1, scale="ratio")
        assert "predicted_expected" in str(caught.value)
    with pytest.raises(FitError, match="saved without its data"):
        _ = again.data


LABELS = {
    "int": np.arange(30),
    "uint8": np.arange(30).astype(np.uint8),
    "float": np.arange(30) + 0.1,
    "bool": None,
    "text": np.array([f"{k:03d}" for k in range(30)]),
    "text with a trailing zero character": np.array([f"{k:03d}\0x\0" for k in range(30)], dtype=object),
    "text objects": np.array([f"Klinik {k:02d} ä" for k in range(30)], dtype=object),
    "bytes": np.array([f"{k:03d}".encode() for k in range(30)]),
    "dates": np.arange("2020-01-01", "2020-01-31", dtype="datetime64[D]"),
    "nanoseconds": np.arange("2020-01-01", "2020-01-31", dtype="datetime64[D]").astype("datetime64[ns]"),
    "date objects": np.array([datetime.date(2020, 1, k + 1) for k in range(30)], dtype=object),
    "datetime objects": np.array([datetime.datetime(2020, 1, k + 1, 3, 4) for k in range(30)], dtype=object),
    "int objects": np.array([10**30 + k for k in range(30)], dtype=object),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_type(simulated, kind, tmp_path):
    labels = (simulated.facility > 14) if kind == "bool" else LABELS[kind][simulated.facility]
    fit = fit_hierarchical(simulated.y, simulated.X, labels)
    again = round_trip(fit, tmp_path)
    assert_equal_fits(fit, again)
    assert again.facilities.tolist() == fit.facilities.tolist()
    assert_array_equal(again.predict(simulated.X, labels), fit.predict(simulated.X, labels))


def test_labels_that_a_file_cannot_keep(simulated, tmp_path):
    pairs = np.empty(len(simulated.y), dtype=object)
    pairs[:] = [("A", int(k)) for k in simulated.facility]
    fit = fit_hierarchical(simulated.y, simulated.X, pairs)
    with pytest.raises(FitError, match="30 facility labels of type tuple cannot be kept"):
        fit.save(tmp_path / "fit.npz")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("terms", "offset"),
    [
        ("cr(age, df=4, constraints='center') + C(grade)", "shift"),
        ("poly(age, 2) + C(kind, contr.sum) * flag + scale(age):flag", None),
        ("bs(age, df=4) + C(kind, levels=['spine', 'hip', 'knee']) + C(flag) + center(`the grade`)", None),
    ],
)
def test_a_formula_comes_along(simulated, terms, offset, tmp_path):
    rng = np.random.default_rng(2)
    n = len(simulated.y)
    grade = rng.integers(1, 4, n)
    table = pd.DataFrame(
        {
            "visit": simulated.y,
            "age": simulated.X[:, 0],
            "kind": rng.choice(["knee", "hip", "spine"], n),
            "grade": grade,
            "the grade": grade,
            "flag": rng.random(n) < 0.5,
            "site": simulated.facility,
            "shift": rng.normal(0, 0.1, n),
        }
    )
    fit = fit_formula(f"visit ~ {terms}", table, "site", offset=offset)
    again = round_trip(fit, tmp_path)
    assert_equal_fits(fit, again)
    assert_array_equal(again.predict(table, "site"), fit.predict(table, "site"))
    assert_array_equal(again.predict(table[:5]), fit.predict(table[:5]))
    unseen = table[:5].assign(kind=["elbow", "elbow", "hip", "hip", "hip"], grade=[9, 9, 1, 2, 3])
    with pytest.raises(FitError, match="2 of 5 rows hold a category"):
        again.predict(unseen)


def test_same_fit_same_bytes_and_no_rows_in_them(fit, simulated, tmp_path):
    for name in ("a", "b"):
        fit.save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with zipfile.ZipFile(tmp_path / "a") as archive:
        longest = max(np.load(archive.open(name)).size for name in archive.namelist() if name != "meta.npy")
    assert longest == max(len(fit.facilities), fit.covariance.size)
    assert longest < len(simulated.y)


def test_a_failed_write_leaves_the_old_file(fit, tmp_path, monkeypatch):
    path = tmp_path / "fit.npz"
    fit.save(path)
    before = path.read_bytes()

    def full_disk(file, **arrays):
        file.write(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="no space left"):
        replace(fit, tau=2.0).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def rewritten(path, **changes):
    """The file with other entries in its JSON part."""
    with np.load(path) as archive:
        arrays = dict(archive)
    meta = json.loads(arrays["meta"].tobytes()) | changes
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def test_files_that_are_not_a_fit(fit, tmp_path):
    path = tmp_path / "fit.npz"
    with pytest.raises(FitError, match="no file"):
        load_fit(path)
    for content in (b"", b"age,visit\n1,0\n", b"PK\x03\x04 damaged"):
        path.write_bytes(content)
        with pytest.raises(FitError, match="not a saved fit"):
            load_fit(path)
    with path.open("wb") as file:
        np.savez(file, beta=np.zeros(3))
    with pytest.raises(FitError, match="not a saved fit"):
        load_fit(path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(FitError, match="not a saved fit"):
        load_fit(path)
    fit.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FitError, match="not a saved fit"):
        load_fit(path)
    changed = bytearray(whole)
    changed[len(whole) // 3] ^= 0xFF
    path.write_bytes(bytes(changed))
    with pytest.raises(FitError):
        load_fit(path)
    with pytest.raises(FitError, match="not a saved fit"):
        load_fit(tmp_path)


def test_pickles_in_a_file_are_not_opened(fit, tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was opened",))

    path = tmp_path / "fit.npz"
    fit.save(path)
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["facilities"] = np.array([Bomb()], dtype=object)
    with path.open("wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(FitError, match="not a saved fit"):
        load_fit(path)


def test_code_in_a_stored_formula_is_not_run(simulated, tmp_path):
    table = pd.DataFrame({"visit": simulated.y, "age": simulated.X[:, 0], "site": simulated.facility})
    path = tmp_path / "fit.npz"
    fit = fit_formula("visit ~ log(age + 1)", table, "site")
    fit.save(path)
    with np.load(path) as archive:
        encoder = json.loads(archive["meta"].tobytes())["encoder"]
    rewritten(path, encoder=encoder | {"terms": "log(__import__('pytest').fail('code was run'))"})
    with pytest.raises(FitError, match="not a known function"):
        load_fit(path).predict(table)


def test_other_versions_and_damaged_fields(fit, tmp_path):
    path = tmp_path / "fit.npz"
    fit.save(path)
    rewritten(path, version=2)
    with pytest.raises(FitError, match="schema version 2"):
        load_fit(path)
    rewritten(path, version=1, schema="other")
    with pytest.raises(FitError, match="not a saved fit"):
        load_fit(path)
    rewritten(path, schema="riskstd-fit", facilities={"dtype": "|O", "kind": "str", "values": 3})
    with pytest.raises(FitError, match="fields missing or damaged"):
        load_fit(path)


def test_fields_of_version_one():
    """A change of these fields needs a new schema version."""
    expected = [
        *("mu", "beta", "tau", "factor_names", "mu_se", "beta_se", "tau_se", "covariance", "log_likelihood"),
        *("facilities", "effects", "effects_variance", "prediction_variance", "effects_mean", "converged", "singular"),
        *("newton_decrement", "n_iterations", "path", "method", "n_nodes", "n_cases", "n_events", "n_facilities"),
        "warnings",
    ]
    assert expected == PUBLIC
