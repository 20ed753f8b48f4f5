"""Measure definitions: data with sources, loaded and checked."""

from riskstd.spec.clauses import Clause
from riskstd.spec.codetables import CodeTable, code_table_names, load_code_table
from riskstd.spec.definition import Definition, Measure
from riskstd.spec.fidelity import Fidelity, fidelity_of
from riskstd.spec.loader import list_measures, load_measure, load_measure_of_run, parse_definition, tables_that_differ

__all__ = [
    "Clause",
    "CodeTable",
    "Definition",
    "Fidelity",
    "Measure",
    "code_table_names",
    "fidelity_of",
    "list_measures",
    "load_code_table",
    "load_measure",
    "load_measure_of_run",
    "parse_definition",
    "tables_that_differ",
]
