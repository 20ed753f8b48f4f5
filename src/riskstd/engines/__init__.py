"""Engines of the claims steps: DuckDB inside this process, Spark on this machine or on a cluster."""

from riskstd.engines.choice import ENGINES, AnyEngine, Engine, check_engine, engine_of, open_engine
from riskstd.engines.embedded import release_memory

__all__ = ["ENGINES", "AnyEngine", "Engine", "check_engine", "engine_of", "open_engine", "release_memory"]
