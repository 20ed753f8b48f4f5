"""The manifest: inputs, definition, origins, versions, options, counts, timings; no identifiers."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from riskstd.claims import Claims
    from riskstd.spec import CodeTable, Measure

from riskstd.spec import fidelity_of, list_measures
from riskstd.spec.tableset import same_as_project

MANIFEST = "manifest.json"
"""Name of its file."""
_LIBRARIES = ("duckdb", "ibis-framework", "numpy", "pandas", "pyarrow", "scipy", "matplotlib")


def describe_definition(measure: Measure) -> dict[str, Any]:
    """Return definition id, hash, options, code tables and fidelity."""
    fidelity = fidelity_of(measure)
    return {
        "measure": measure.id,
        "spec_year": measure.spec_year,
        "revision": measure.definition.measure.revision,
        "file": measure.file,
        "sha256": measure.sha256,
        "options": measure.options,
        "tables": {
            name: {
                "version": measure.table(name).provenance.version,
                "sha256": measure.table(name).sha256,
                "rows_by_origin": measure.table(name).origins(),
                **_imports(measure.table(name)),
            }
            for name in measure.tables_used()
        },
        "clauses_by_origin": fidelity.clauses,
        "fidelity": fidelity.label,
        **_folder(measure),
    }


def _imports(table: CodeTable) -> dict[str, Any]:
    """The files that a table was imported from; nothing for a table of the project alone."""
    entries = table.imports or ((table.provenance,) if table.provenance.source_file else ())
    keys = ("source_file", "source_sha256", "imported", "years", "sha256")
    found = [{key: getattr(entry, key) for key in keys} for entry in entries]
    return {"imported_from": found} if found else {}


def _folder(measure: Measure) -> dict[str, str]:
    """Where the user's tables lie, if the measure uses any; its reports are made with them."""
    folder = measure.tables.folder
    if folder is None:
        return {}
    own = (measure.id, measure.spec_year) not in list_measures(None)
    used = own or not all(same_as_project(measure.table(name)) for name in measure.tables_used())
    return {"definitions": str(folder.path)} if used else {}


def describe_claims(claims: Claims) -> dict[str, Any]:
    """Return layout, absent columns, statements, counts, and the hash of every input file as it was read."""
    return {
        "layout": claims.layout,
        "tables": None if claims.folder is None else str(claims.folder.resolve()),
        "absent_columns": sorted(claims.absent),
        "statements": list(claims.statements),
        "inputs": [dict(entry) for entry in claims.inputs],
        "counts": dict(claims.counts),
    }


def versions() -> dict[str, str]:
    """Return the versions of riskstd, Python and the libraries that numbers depend on."""
    return {
        "riskstd": version("riskstd"),
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }
