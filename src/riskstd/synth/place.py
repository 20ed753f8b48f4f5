"""A delivery comes to its place whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from riskstd.errors import InputError, OptionError

README = "README.txt"
TITLE = "Synthetic Medicare claims with known truth"
_PARTS = ("truth", README, "claims")  # claims last: they are what is taken for a delivery
_UNFINISHED = ".unfinished"


@contextmanager
def delivery(out: Path) -> Iterator[Path]:
    """Give a folder with empty `claims/` and `truth/` whose content moves to `out` when all went well.

    Until then it lies inside `out` under a name that nothing reads; what a killed run left there is removed.
    A delivery that is already in `out` is replaced.

    Raises
    ------
    OptionError
        When `out` holds claims or truth that riskstd did not write.
    InputError
        When the files cannot be written, for example because the disk is full.
    """
    _refuse_foreign(out)
    scratch = out / _UNFINISHED
    existed = out.exists()
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        for name in ("claims", "truth"):
            (scratch / name).mkdir(parents=True)
        yield scratch
        for name in reversed(_PARTS):  # what was there goes first, claims before all
            if (out / name).exists():
                (out / name).replace(scratch / f"earlier-{name}")
        for name in _PARTS:
            (scratch / name).replace(out / name)
    except OSError as error:
        raise InputError(
            f"{out} could not be written: {_reason(error)}",
            expected="a folder that can be written to, with about 2.2 GB for a million people in Parquet",
            hint="nothing half-written was left; make room or name another --out",
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if not existed and out.is_dir() and not any(out.iterdir()):
            out.rmdir()


def _reason(error: OSError) -> str:
    """Return what the system says, without a file name."""
    return os.strerror(error.errno) if error.errno else type(error).__name__


def _refuse_foreign(out: Path) -> None:
    present = [name for name in ("claims", "truth") if (out / name).exists() and any((out / name).iterdir())]
    ours = (out / README).is_file() and (out / README).read_text("utf-8", errors="replace").startswith(TITLE)
    if present and not ours:
        raise OptionError(
            f"{out} holds {' and '.join(present)} that are no synthetic delivery, and they are not replaced",
            expected="a new folder, or one with an earlier synthetic delivery",
            hint="name another --out",
        )
