"""Checkpoint of a bootstrap: a private folder that holds its finished chunks and what they belong to.

A chunk has its name only once it is complete on the disk, so a run that ends at any moment leaves chunks
that are whole or absent. `checkpoint.json` holds hashes and options; the chunks hold ratios by
position of the label. Neither holds a label of a facility or a row of data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from riskstd.errors import OptionError
from riskstd.model import HierarchicalFit
from riskstd.rates.bootstrap import CHUNK
from riskstd.rates.storage import PART, FileStore, check_room, write_whole

NAME = "checkpoint.json"
WORDS = {
    "format": "form of the checkpoint",
    "riskstd": "version of riskstd",
    "seed": "seed",
    "variance": "variance",
    "method": "method",
    "n_facilities": "number of facilities",
    "estimates": "estimates of the fit",
    "cells": "data of the fit",
}
HASHED = ("estimates", "cells")
"""Kept as hashes: a difference is named, not shown."""


def open_checkpoint(
    path: str | Path, fit: HierarchicalFit, n_replicates: int, *, seed: int, variance: str
) -> FileStore:
    """Open the checkpoint of a bootstrap, or begin one.

    Parameters
    ----------
    path : str or Path
        Folder; made when it does not exist. One process at a time may use it.
    fit : HierarchicalFit
    n_replicates : int
    seed : int
    variance : str

    Returns
    -------
    FileStore

    Raises
    ------
    OptionError
        A checkpoint of another fit, seed, variance or version; a folder of other files; no room.
    """
    folder = Path(path)
    identity = identify_bootstrap(fit, seed, variance)
    try:
        begun = _begun(folder)
        if begun is None:
            _begin(folder, identity)
        else:
            _refuse_other_run(folder, begun, identity)
        for left_over in folder.glob(f"*{PART}"):
            left_over.unlink(missing_ok=True)
        present = sum(file.stat().st_size for file in folder.glob("replicates-*.npy"))
        check_room(folder, fit.n_facilities, n_replicates, present)
    except OSError as error:
        raise OptionError(
            f"checkpoint folder '{folder}' cannot be used: {error.strerror}",
            expected="a folder that can be made and written to",
        ) from None
    return FileStore(fit.n_facilities, folder, durable=True)


def identify_bootstrap(fit: HierarchicalFit, seed: int, variance: str) -> dict[str, Any]:
    """What decides the bits of every replicate, by the keys of WORDS.

    Parameters
    ----------
    fit : HierarchicalFit
    seed : int
    variance : str

    Returns
    -------
    dict of str to str or int
    """
    details = {"agq": f", {fit.n_nodes} nodes", "pql": f", {fit.data.pql_form}"}
    estimates = (fit.mu, fit.beta, fit.tau, fit.effects, fit.effects_variance, fit.prediction_variance)
    return {
        "format": f"chunks of {CHUNK}",
        "riskstd": version("riskstd"),
        "seed": int(seed),
        "variance": variance,
        "method": fit.method + details.get(fit.method, ""),
        "n_facilities": fit.n_facilities,
        "estimates": hash_values(*estimates),
        "cells": hash_values(fit.data.cells, fit.data.order),
    }


def hash_values(*values: Any) -> str:
    """SHA-256 of numbers, arrays and dataclasses of them: type, shape and bytes.

    Examples
    --------
    >>> hash_values(np.zeros(2)) == hash_values(np.zeros(2)), hash_values(np.zeros(2)) == hash_values(np.zeros(3))
    (True, False)
    """
    digest = hashlib.sha256()
    for value in values:
        _feed(digest.update, value)
    return digest.hexdigest()


def _feed(update: Callable[[Any], None], value: Any) -> None:
    if is_dataclass(value):
        for field in fields(value):
            update(field.name.encode())
            _feed(update, getattr(value, field.name))
    elif isinstance(value, tuple | list):
        update(f"{len(value)} of".encode())
        for one in value:
            _feed(update, one)
    elif value is None or isinstance(value, str):
        update(repr(value).encode())
    else:
        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:
            raise TypeError(f"no bytes to hash in a value of type {type(value).__name__}")
        update(f"{array.dtype.str}{array.shape}".encode())
        update(array.reshape(-1).view(np.uint8).data)


def _begun(folder: Path) -> dict[str, Any] | None:
    """Identity in a checkpoint folder; None when the folder is empty or not there."""
    if not folder.is_dir():
        return None
    try:
        begun = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        others = [file for file in folder.iterdir() if not file.name.endswith(PART)]
        if not others:
            return None
        raise OptionError(
            f"'{folder}' is not a checkpoint and not empty ({len(others)} entries)",
            expected="a checkpoint, an empty folder, or a name not in use",
            hint="name another folder",
        ) from None
    except ValueError:
        begun = None
    if not isinstance(begun, dict):
        raise OptionError(f"'{folder / NAME}' cannot be read", hint="delete the folder, or name another one")
    return begun


def _begin(folder: Path, identity: dict[str, Any]) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    text = json.dumps(identity, indent=2, sort_keys=True) + "\n"
    write_whole(folder / NAME, lambda file: _write_text(file, text), durable=True)


def _write_text(file: Any, text: str) -> None:
    file.write(text.encode())


def _refuse_other_run(folder: Path, begun: dict[str, Any], identity: dict[str, Any]) -> None:
    differing = [key for key in WORDS if begun.get(key) != identity[key]]
    if not differing:
        return
    shown = [
        WORDS[key] if key in HASHED else f"{WORDS[key]} ({begun.get(key)} there, {identity[key]} now)"
        for key in differing
    ]
    raise OptionError(
        f"checkpoint '{folder}' belongs to another bootstrap; different: {'; '.join(shown)}",
        expected="the same fit, seed, variance and version of riskstd as when it was begun",
        hint="repeat the call as it was, name another folder, or delete this one",
    )
