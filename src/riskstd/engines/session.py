"""The Spark session: the one that is there, or one on this machine."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from riskstd.errors import OptionError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OLDEST_JAVA, OLDEST_SPARK = 17, 4
_INSTALL = "pip install 'riskstd[spark]'"
_LEADS_TO_SPARK = ("PYSPARK_GATEWAY_PORT", "SPARK_REMOTE", "DATABRICKS_RUNTIME_VERSION")
"""Variables that tell of a Spark that started this process, or that waits for it."""


def spark_is_there() -> bool:
    """Tell whether Spark runs in this process, or this process was started for one that runs elsewhere."""
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    runs = SparkContext._active_spark_context is not None or SparkSession.getActiveSession() is not None
    return runs or any(name in os.environ for name in _LEADS_TO_SPARK)


def present_session() -> SparkSession | None:
    """Return the session of the Spark that is there, if there is one."""
    from pyspark.sql import SparkSession

    if not spark_is_there():
        return None
    return SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()


def require_pyspark() -> None:
    """Refuse to go on without PySpark.

    Raises
    ------
    OptionError
        When it is missing or too old.
    """
    try:
        import pyspark
    except ImportError:
        raise OptionError(
            "engine spark needs PySpark, which is not installed", expected=f"PySpark {OLDEST_SPARK}", hint=_INSTALL
        ) from None
    require_version("PySpark", pyspark.__version__)
    # PySpark repeats errors with the values of cells in a log of its own; the error itself is enough.
    logging.getLogger("SQLQueryContextLogger").disabled = True
    logging.getLogger("DataFrameQueryContextLogger").disabled = True


def require_version(what: str, found: str) -> None:
    """Refuse a Spark or PySpark that is too old.

    Raises
    ------
    OptionError
    """
    if int(found.split(".")[0]) < OLDEST_SPARK:
        raise OptionError(f"{what} {found} is too old", expected=f"{what} {OLDEST_SPARK} or later", hint=_INSTALL)


def require_java() -> None:
    """Refuse a machine without a Java that Spark runs on.

    Raises
    ------
    OptionError
        When none is found, or it is too old.
    """
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    expected = f"Java {OLDEST_JAVA} or later"
    hint = f"install it (Debian: openjdk-{OLDEST_JAVA}-jre-headless), or set JAVA_HOME to where it is"
    try:
        told = subprocess.run([java or "java", "-version"], capture_output=True, text=True, check=True).stderr
    except (OSError, subprocess.CalledProcessError):
        place = "where JAVA_HOME points" if home else "in PATH, and JAVA_HOME is not set"
        raise OptionError(f"engine spark needs Java, and none is {place}", expected=expected, hint=hint) from None
    found = re.search(r'version "(?:1\.)?(\d+)', told)
    if found is None or int(found[1]) < OLDEST_JAVA:
        shown = found[1] if found else "of unknown version"
        raise OptionError(f"Java {shown} is too old for engine spark", expected=expected, hint=hint)
