"""Which engine runs the claims steps, and its connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ibis.backends import BaseBackend

from riskstd.engines.embedded import connect_duckdb
from riskstd.engines.local import check_same, start_local
from riskstd.engines.session import present_session, require_java, require_pyspark, require_version, spark_is_there
from riskstd.errors import OptionError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_BACKENDS = {"duckdb": "duckdb", "pyspark": "spark"}
ENGINES = tuple(_BACKENDS.values())
AnyEngine: TypeAlias = "str | BaseBackend | SparkSession"
"""What names an engine: its name, a session, or a connection."""


@dataclass(frozen=True)
class Engine:
    """An engine that is ready to take claims tables.

    Attributes
    ----------
    name : {'duckdb', 'spark'}
    version : str
    connection : ibis backend
        Where the tables of the claims steps live.
    """

    name: str
    version: str
    connection: BaseBackend = field(repr=False)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def check_engine(engine: Any) -> None:
    """Refuse what is no engine, or lacks what it needs on this machine; nothing is started.

    Raises
    ------
    OptionError
    """
    if isinstance(engine, str):
        if engine not in ENGINES:
            raise OptionError(f"engine {engine!r} is not known", expected=" or ".join(ENGINES))
        if engine == "spark":
            require_pyspark()
            if not spark_is_there():
                require_java()
    elif not _is_session(engine) and not (isinstance(engine, BaseBackend) and engine.name in _BACKENDS):
        raise OptionError(
            f"an object of type {type(engine).__name__} is no engine",
            expected=f"{' or '.join(ENGINES)}, a Spark session, or an ibis connection to one of them",
        )


def open_engine(engine: AnyEngine = "duckdb", *, memory: str | None = None, cores: int | None = None) -> Engine:
    """Connect to an engine.

    Parameters
    ----------
    engine : {'duckdb', 'spark'}, Spark session or ibis connection
        `spark` takes the session that runs in this process or that this process was submitted to, else it starts
        Spark on this machine.
    memory : str, optional
        Memory limit, for example `4GB`, of an engine that is started here; one that is given has its own.
    cores : int, optional
        Cores to use, of an engine that is started here; all if left out.

    Returns
    -------
    Engine

    Raises
    ------
    OptionError
        When the engine is not known or cannot be started here.

    Examples
    --------
    >>> open_engine("duckdb", memory="1GB").name
    'duckdb'
    """
    check_engine(engine)
    if engine == "duckdb":
        return engine_of(connect_duckdb(memory=memory, cores=cores))
    if isinstance(engine, BaseBackend) and engine.name == "duckdb":
        return engine_of(engine)
    session = _session_for(engine, memory, cores)
    require_version("Spark", str(session.version))
    from riskstd.engines.spark import SparkConnection

    return engine_of(SparkConnection().connect(session))


def _session_for(engine: Any, memory: str | None, cores: int | None) -> SparkSession:
    require_pyspark()
    given = present_session() if engine == "spark" else getattr(engine, "_session", engine)
    if given is None:
        return start_local(memory=memory, cores=cores)
    check_same(given, memory)
    return given


def engine_of(connection: BaseBackend) -> Engine:
    """Return the engine behind a connection that is open."""
    return Engine(_BACKENDS.get(connection.name, connection.name), str(connection.version), connection)


def _is_session(engine: Any) -> bool:
    return type(engine).__name__ == "SparkSession" and type(engine).__module__.startswith(("pyspark.", "databricks."))
