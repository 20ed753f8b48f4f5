"""What engines say of memory and disk becomes an error that says what to do, without a value of the data."""

from __future__ import annotations

import duckdb
import pytest

from riskstd.errors import InputError
from riskstd.pipeline.engine import memory_errors


def of_spark(name: str, module: str, text: str) -> Exception:
    return type(name, (Exception,), {"__module__": module})(text)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (duckdb.OutOfMemoryException("failed to allocate"), "need more memory"),
        (duckdb.OutOfMemoryException("max_temp_directory_size exceeded"), "spill more to disk"),
        (duckdb.IOException("write: No space left on device"), "disk is full"),
        (
            of_spark("Py4JJavaError", "py4j.protocol", "java.lang.OutOfMemoryError: Java heap space 77"),
            "need more memory",
        ),
        (
            of_spark("SparkException", "pyspark.errors", "No space left on device"),
            "disk is full",
        ),
        (of_spark("Py4JJavaError", "py4j.protocol", "Not enough memory to build and broadcast"), "need more memory"),
        (of_spark("Py4JNetworkError", "py4j.protocol", "Answer from Java side is empty"), "need more memory"),
    ],
)
def test_too_little_of_something(error, said):
    with pytest.raises(InputError, match=said) as found, memory_errors("2GB"):
        raise error
    assert "what to do" in str(found.value)
    assert "77" not in str(found.value)


@pytest.mark.parametrize(
    "error", [duckdb.IOException("no such file"), of_spark("AnalysisException", "pyspark.errors", "x"), KeyError("x")]
)
def test_other_errors_pass(error):
    with pytest.raises(type(error)), memory_errors(None):
        raise error
