"""Spark on this machine: settings, start, and leaving nothing behind."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from riskstd.engines.scratch import new_scratch
from riskstd.errors import OptionError

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

_OURS = "spark.riskstd.local"
"""Setting that tells a Spark that was started here from any other."""
_UNITS_MIB = {"kb": 1 / 1024, "mb": 1.0, "gb": 1024.0, "tb": 1024.0**2}
_LEAST_MIB = 512
_LOG = "java.log"
_PATIENCE_SECONDS = 20


def start_local(*, memory: str | None = None, cores: int | None = None) -> SparkSession:
    """Start Spark in a Java process of its own, which ends with this process.

    Parameters
    ----------
    memory : str, optional
        Heap of that process, for example `4GB`; half of the machine's memory if left out.
    cores : int, optional
        Cores to use; all if left out.

    Raises
    ------
    OptionError
        When the memory cannot be read or is too small, or Spark does not start.
    """
    from py4j.protocol import Py4JError
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    scratch = new_scratch()
    gateway = None
    try:
        conf = SparkConf(loadDefaults=False).setAll(list(local_settings(scratch, memory, cores).items()))
        # Spark and Java speak on standard error, where messages must hold no value of a cell.
        with (scratch / _LOG).open("wb") as log:
            gateway = launch_gateway(conf, popen_kwargs={"stdout": log, "stderr": log})
        context = SparkContext(conf=conf, gateway=gateway)
    except (PySparkException, Py4JError):
        said = _last_line(scratch / _LOG)
        _end(None, gateway, scratch)
        raise OptionError(
            f"Spark did not start: {said}", hint="check Java and the memory that is free, or give --memory"
        ) from None
    except BaseException:
        _end(None, gateway, scratch)
        raise
    context.setLogLevel("ERROR")
    atexit.register(_end, context, gateway, scratch)
    return SparkSession(context)


def local_settings(scratch: Path, memory: str | None = None, cores: int | None = None) -> dict[str, str]:
    """Return what Spark on one machine is started with.

    Examples
    --------
    >>> settings = local_settings(Path("/scratch"), memory="2GB", cores=2)
    >>> settings["spark.master"], settings["spark.driver.memory"]
    ('local[2]', '2048m')
    """
    use = cores or os.cpu_count() or 1
    return {
        "spark.app.name": "riskstd",
        "spark.master": f"local[{use}]",
        "spark.driver.memory": f"{_mebibytes(memory)}m",
        # Results are collected whole, as they are on the other engine.
        "spark.driver.maxResultSize": "0",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.local.dir": os.environ.get("SPARK_LOCAL_DIRS", str(scratch)),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.session.timeZone": "UTC",
        # Split by size while running: as many parts as cores are few enough for small data, and no part is too large.
        "spark.sql.shuffle.partitions": str(use),
        "spark.sql.adaptive.coalescePartitions.initialPartitionNum": str(max(32, 4 * use)),
        _OURS: "true",
    }


def check_same(session: SparkSession, memory: str | None) -> None:
    """Refuse another memory limit for the Spark that was started here; it cannot change while it runs.

    Raises
    ------
    OptionError
    """
    if memory is None or session.conf.get(_OURS, None) is None:
        return
    has, wanted = session.conf.get("spark.driver.memory"), f"{_mebibytes(memory)}m"
    if has != wanted:
        raise OptionError(
            f"Spark runs in this process with {has} of memory and cannot change to {wanted}",
            expected="the same memory for all runs of a process",
            hint="leave memory out, or start another process",
        )


def _mebibytes(memory: str | None) -> int:
    if memory is None:
        return max(_LEAST_MIB, int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**21))
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt])i?b?\s*", memory.lower())
    if found is None:
        raise OptionError(f"memory {memory!r} cannot be read", expected="for example 4GB")
    size = int(float(found[1]) * _UNITS_MIB[f"{found[2]}b"])
    if size < _LEAST_MIB:
        raise OptionError(f"memory {memory!r} is too small for engine spark", expected=f"at least {_LEAST_MIB}MB")
    return size


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else "Java ended without a word"


def _end(context: SparkContext | None, gateway: Any, scratch: Path) -> None:
    if context is not None:
        context.stop()
    if gateway is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()
        try:
            gateway.proc.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            gateway.proc.kill()
    shutil.rmtree(scratch, ignore_errors=True)
