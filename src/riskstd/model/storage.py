"""A fit in one file, without its data: arrays as npz, the rest as JSON inside it, no pickle.

Labels and categories are text, whole numbers, floats, true and false, dates or times. The bytes
of the file depend on the fit alone.
"""

from __future__ import annotations

import datetime
import json
import os
import tempfile
import zipfile
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from riskstd.errors import FitError
from riskstd.model.encoding import FormulaEncoder
from riskstd.model.newton import PathStep
from riskstd.model.result import HierarchicalFit

SCHEMA = "riskstd-fit"
VERSION = 1
"""Raised with every change of the fields, so that a file is never read as what it is not."""
TEXT = "meta"
PLAIN_KINDS = "biufSMm"
"""Array kinds that npz keeps exactly; text goes to JSON, where no trailing character is lost."""
OBJECTS = {
    "str": (str, str, str),
    "int": (int, int, int),
    "float": (float, float, float),
    "bool": (bool, bool, bool),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "datetime": (datetime.datetime, datetime.datetime.isoformat, datetime.datetime.fromisoformat),
}
"""Label types inside an object array: type, to JSON, and back."""


def save_fit(fit: HierarchicalFit, path: str | Path) -> None:
    """Write a fit to one file; the same fit gives the same bytes.

    Parameters
    ----------
    fit : HierarchicalFit
    path : str or Path
        Replaced only once the new file is whole.

    Raises
    ------
    FitError
        Facility labels or categories of a type that a file cannot keep.
    """
    arrays: dict[str, NDArray[Any]] = {}
    meta: dict[str, Any] = {"schema": SCHEMA, "version": VERSION}
    for name in _public_names():
        value = getattr(fit, name)
        value = value.item() if isinstance(value, np.generic) else value
        if name == "path":
            columns = [part.name for part in fields(PathStep)]
            meta[name] = columns
            arrays[name] = np.array([[getattr(step, column) for column in columns] for step in value])
        elif name == "facilities":
            meta[name], arrays[name] = _labels_out(value)
        elif isinstance(value, np.ndarray):
            arrays[name] = value
        elif isinstance(value, float):
            # as an array, for JSON knows no NaN
            arrays[name] = np.array(value)
        else:
            meta[name] = list(value) if isinstance(value, tuple) else value
    meta["encoder"] = None if fit._encoder is None else _encoder_out(fit._encoder)
    arrays[TEXT] = np.frombuffer(json.dumps(meta, allow_nan=False).encode(), dtype=np.uint8)
    _write_whole(Path(path), arrays)


def load_fit(path: str | Path) -> HierarchicalFit:
    """Read a fit that `HierarchicalFit.save` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    HierarchicalFit
        With the same bits in every field, and without data: it predicts and shows its
        estimates; `standardize` refuses it.

    Raises
    ------
    FitError
        A file that is not a saved fit, is damaged or was written by another version.

    Examples
    --------
    >>> import tempfile
    >>> from riskstd.model import fit_hierarchical
    >>> site = np.repeat(np.arange(40), 50)
    >>> y = np.random.default_rng(1).random(2000) < 0.1 + 0.1 * (site % 3)
    >>> fit = fit_hierarchical(y, np.zeros((2000, 0)), site)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fit.save(folder + "/fit.npz")
    ...     again = load_fit(folder + "/fit.npz")
    >>> again.tau == fit.tau
    True
    """
    arrays = _read_arrays(Path(path))
    try:
        meta = json.loads(arrays.pop(TEXT).tobytes())
        schema, version = meta.pop("schema"), meta.pop("version")
    except (KeyError, ValueError, AttributeError, TypeError):
        raise _not_a_fit(path) from None
    if schema != SCHEMA:
        raise _not_a_fit(path)
    if version != VERSION:
        raise FitError(
            f"{path}: a fit of schema version {version}",
            expected=f"version {VERSION}",
            hint="load it with the version of riskstd that wrote it, or fit again",
        )
    try:
        return _build(arrays, meta)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError):
        raise FitError(f"{path}: a saved fit with fields missing or damaged", hint="fit again") from None


def _build(arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> HierarchicalFit:
    values: dict[str, Any] = {}
    for name in _public_names():
        if name == "path":
            values[name] = tuple(PathStep(**dict(zip(meta[name], row, strict=True))) for row in arrays[name].tolist())
        elif name == "facilities":
            values[name] = _labels_in(meta[name], arrays[name])
        elif name in arrays:
            values[name] = arrays[name] if arrays[name].ndim else arrays[name].item()
        else:
            values[name] = tuple(meta[name]) if isinstance(meta[name], list) else meta[name]
    encoder = None if meta["encoder"] is None else _encoder_in(meta["encoder"])
    return HierarchicalFit(**values, _data=None, _encoder=encoder)


def _public_names() -> list[str]:
    return [part.name for part in fields(HierarchicalFit) if not part.name.startswith("_")]


def _labels_out(labels: NDArray[Any]) -> tuple[dict[str, Any], NDArray[Any]]:
    """What JSON keeps of the labels, and what the archive keeps."""
    if labels.dtype.kind in PLAIN_KINDS:
        return {"dtype": labels.dtype.str}, labels
    kind, values = _typed_out(labels.tolist(), "facility labels")
    dtype = labels.dtype.str if labels.dtype.kind == "U" else "|O"
    return {"dtype": dtype, "kind": kind, "values": values}, np.empty(0)


def _labels_in(meta: dict[str, Any], kept: NDArray[Any]) -> NDArray[Any]:
    if "values" not in meta:
        return kept
    values = _typed_in(meta["kind"], meta["values"])
    labels = np.empty(len(values), dtype=meta["dtype"])
    labels[:] = values
    return labels


def _typed_out(values: list[Any], what: str) -> tuple[str, list[Any]]:
    """Name of the type all values share, and the values for JSON."""
    types = {type(value) for value in values}
    kind = next((name for name, (known, _, _) in OBJECTS.items() if types == {known}), None)
    if kind is None:
        found = ", ".join(sorted(one.__name__ for one in types))
        raise FitError(
            f"{len(values)} {what} of type {found} cannot be kept in a file",
            expected=f"one type of {', '.join(OBJECTS)}",
            hint="convert them to text before the fit",
        )
    return kind, [OBJECTS[kind][1](value) for value in values]


def _typed_in(kind: str, values: list[Any]) -> list[Any]:
    return [OBJECTS[kind][2](value) for value in values]


def _encoder_out(encoder: FormulaEncoder) -> dict[str, Any]:
    categories = [
        [name, *((None, None) if levels is None else _typed_out(_plain(levels), "categories"))]
        for name, levels in encoder.categories.items()
    ]
    return {
        "terms": encoder.terms,
        "kinds": dict(encoder.kinds),
        "facility": encoder.facility,
        "offset": encoder.offset,
        "transform_state": _state_out(encoder.transform_state),
        "categories": categories,
    }


def _encoder_in(meta: dict[str, Any]) -> FormulaEncoder:
    return FormulaEncoder(
        terms=meta["terms"],
        kinds=meta["kinds"],
        facility=meta["facility"],
        offset=meta["offset"],
        transform_state=_state_in(meta["transform_state"]),
        categories={
            name: None if kind is None else _typed_in(kind, levels) for name, kind, levels in meta["categories"]
        },
    )


def _plain(values: Any) -> list[Any]:
    return np.asarray(values, dtype=object).tolist() if not isinstance(values, list) else list(values)


def _state_out(value: Any) -> Any:
    """Nested dicts, lists, arrays and numbers for JSON; keys keep their type."""
    if isinstance(value, dict):
        return {"pairs": [[key, _state_out(part)] for key, part in value.items()]}
    if isinstance(value, np.ndarray):
        return {"array": value.tolist()}
    if isinstance(value, list | tuple):
        return [_state_out(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def _state_in(value: Any) -> Any:
    if isinstance(value, dict):
        return np.array(value["array"]) if "array" in value else {key: _state_in(part) for key, part in value["pairs"]}
    return [_state_in(part) for part in value] if isinstance(value, list) else value


def _write_whole(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write next to the target, then rename: the target is never half a file."""
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
        scratch = Path(folder) / path.name
        with scratch.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # opened here, for np.load leaves a damaged file open
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise FitError(f"no file {path}", expected="a file written by fit.save") from None
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile):
        raise _not_a_fit(path) from None


def _not_a_fit(path: str | Path) -> FitError:
    return FitError(f"{path} is not a saved fit, or is damaged", expected="a file written by fit.save")
