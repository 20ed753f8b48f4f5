"""Claims tables kept beside results: written once, opened again while files and reading are the same."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from riskstd.claims.claims import MANIFEST, Claims
from riskstd.claims.files import find_delivery, fingerprint
from riskstd.claims.reader import how_read, no_room_for_tables, read_claims
from riskstd.engines.scratch import OLD, remove_scratch
from riskstd.errors import ClaimsError
from riskstd.tables import CLAIMS_TABLES

if TYPE_CHECKING:
    from riskstd.claims.files import Delivery
    from riskstd.claims.reader import Progress


def open_or_read_claims(
    path: str | Path,
    *,
    cache: str | Path,
    layout: str = "auto",
    bad_rows: Literal["error", "set_aside"] = "error",
    memory: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
    inputs: Sequence[Mapping[str, Any]] | None = None,
) -> Claims:
    """Open the claims tables of a folder of claim files, and write them first if they are not there.

    Two processes may do so at once: one writes, the other waits and opens what was written.

    Parameters
    ----------
    path : str or Path
        Folder of claim files, or of claims tables, which are opened as they are.
    cache : str or Path
        Folder for the claims tables.
    layout, bad_rows, memory, progress
        As in `read_claims`.
    overwrite : bool
        Replace claims tables of other files, or read in another way.
    inputs : sequence of mapping, optional
        Fingerprint of the claim files where it was taken already: it reads every byte.

    Returns
    -------
    Claims

    Raises
    ------
    ClaimsError
        When the cache holds something else than claims tables, or claims tables of other files that are not to be
        replaced.
    """
    source, target = Path(path), Path(cache)
    if (source / MANIFEST).is_file():
        return Claims.from_folder(source)
    _refuse_overlap(source, target)
    with _only_one_writer(target):
        if (target / MANIFEST).is_file() and is_of(target, find_delivery(source, layout), how_read(bad_rows), inputs):
            return Claims.from_folder(target)
        if target.exists() and any(target.iterdir()):
            _refuse_to_replace(target, overwrite=overwrite)
        fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}-new-", dir=target.parent))
        try:
            read_claims(
                source, layout=layout, out=fresh / "claims", bad_rows=bad_rows, memory=memory, progress=progress
            )
            if target.exists():
                target.replace(fresh / OLD)
            (fresh / "claims").replace(target)
        except Exception as error:
            raise no_room_for_tables(error, target, memory) from None
        finally:
            remove_scratch(fresh, target)
        return Claims.from_folder(target)


def is_of(
    folder: Path, delivery: Delivery, reading: dict[str, str], inputs: Sequence[Mapping[str, Any]] | None = None
) -> bool:
    """Tell whether a folder holds whole claims tables of these files, read in this way."""
    manifest = folder / MANIFEST
    if not manifest.is_file() or not all((folder / f"{table.name}.parquet").is_file() for table in CLAIMS_TABLES):
        return False
    known = json.loads(manifest.read_text("utf-8"))
    same_way = (known.get("layout"), known.get("reading")) == (delivery.layout.name, reading)
    return same_way and known.get("inputs") == (fingerprint(delivery) if inputs is None else inputs)


def _refuse_overlap(source: Path, target: Path) -> None:
    """The tables must never take the place of the files that they are made from."""
    inside, place = source.resolve(), target.resolve()
    if inside == place or place in inside.parents:
        raise ClaimsError(
            f"the claim files lie in {target}, where the claims tables go",
            expected="a folder for claims tables that does not hold the claim files",
            hint="name another --out",
        )


def _refuse_to_replace(target: Path, *, overwrite: bool) -> None:
    if not (target / MANIFEST).is_file():
        raise ClaimsError(
            f"{target} holds something else than claims tables and is not replaced", hint="name another --out"
        )
    if not overwrite:
        raise ClaimsError(
            f"claims tables of other files, or read in another way, are in {target}",
            hint="name another --out, or replace them with --overwrite",
        )


@contextlib.contextmanager
def _only_one_writer(target: Path) -> Iterator[None]:
    """Hold the lock of a folder; the system frees it when the process ends, however it ends."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = target.parent / f".{target.name}.lock"
    with lock.open("w") as stream:
        # Windows has no such locks; there, two writers at once cost time, since folders still change hands whole
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX)
        _remove_leftovers(target)
        yield


def _remove_leftovers(target: Path) -> None:
    """Remove what a process that was killed left: it holds the lock no more, so nobody works on it."""
    for left in target.parent.glob(f".{target.name}-new-*"):
        remove_scratch(left, target)
