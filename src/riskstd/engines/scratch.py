"""Scratch folders, readable by their owner only, that go even when the process that made them was killed."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path

ENGINE = "riskstd-engine"
OLD = "old"
"""Name in a scratch folder of what it takes the place of."""
# The name of the machine, since several may share a folder.
_MACHINE = platform.node().replace("-", "_")


def new_scratch(name: str = ENGINE, place: Path | None = None) -> Path:
    """Make a scratch folder; those of processes of this machine that were killed are removed: they hold claims.

    Parameters
    ----------
    name : str
        How its name begins.
    place : Path, optional
        Folder to make it in; that for temporary files (`TMPDIR`) if left out.
    """
    for folder in abandoned_scratch(name, place):
        shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{name}-{_MACHINE}-{os.getpid()}-", dir=place))


def abandoned_scratch(name: str = ENGINE, place: Path | None = None) -> list[Path]:
    """Return the scratch folders of processes of this machine that run no more."""
    if os.name != "posix":
        return []
    prefix = f"{name}-{_MACHINE}-"
    folders = (Path(tempfile.gettempdir()) if place is None else place).glob(f"{prefix}*-*")
    pids = ((folder, folder.name.removeprefix(prefix).split("-")[0]) for folder in sorted(folders))
    return [folder for folder, pid in pids if pid.isdigit() and not _is_running(int(pid))]


def remove_scratch(scratch: Path, target: Path) -> None:
    """Remove a scratch folder; a folder whose place was not taken after all goes back to it first."""
    if (scratch / OLD).is_dir() and not target.exists():
        (scratch / OLD).replace(target)
    shutil.rmtree(scratch, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
