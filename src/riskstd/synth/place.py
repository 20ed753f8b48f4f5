"""A delivery comes to its place whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from riskstd.errors import OptionError

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
    """
    _refuse_foreign(out)
    scratch = out / _UNFINISHED
    existed = out.exists()
    shutil.rmtree(scratch, ignore_errors=True)
    for name in ("claims", "truth"):
        (scratch / name).mkdir(parents=True)
    try:
        yield scratch
        for name in reversed(_PARTS):  # what was there goes first, claims before all
            if (out / name).exists():
                (out / name).replace(scratch / f"earlier-{name}")
        for name in _PARTS:
            (scratch / name).replace(out / name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if not existed and not any(out.iterdir()):
            out.rmdir()


def _refuse_foreign(out: Path) -> None:
    present = [name for name in ("claims", "truth") if (out / name).exists() and any((out / name).iterdir())]
    ours = (out / README).is_file() and (out / README).read_text("utf-8", errors="replace").startswith(TITLE)
    if present and not ours:
        raise OptionError(
            f"{out} holds {' and '.join(present)} that are no synthetic delivery, and they are not replaced",
            expected="a new folder, or one with an earlier synthetic delivery",
            hint="name another --out",
        )
