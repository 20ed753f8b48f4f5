"""Scratch folders of engines, in the folder for temporary files (`TMPDIR`) and readable by their owner only."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path

# The name of the machine, since several may share a folder for temporary files.
_PREFIX = f"riskstd-engine-{platform.node().replace('-', '_')}-"


def new_scratch() -> Path:
    """Make a scratch folder; those of processes of this machine that were killed are removed: they hold claims."""
    _remove_abandoned()
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))


def _remove_abandoned() -> None:
    if os.name != "posix":
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = folder.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not _is_running(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
