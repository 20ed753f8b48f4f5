"""The model on any table: outcome, facility and factor columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from riskstd.claims.files import file_hash
from riskstd.errors import InputError
from riskstd.model import fit_hierarchical
from riskstd.pipeline.manifest import versions
from riskstd.pipeline.modelling import Modelled, describe_terms, usable_columns
from riskstd.pipeline.write import whole_folder, write_csv, write_json, write_parquet
from riskstd.rates import Standardization, standardize
from riskstd.tables import factor_matrix

if TYPE_CHECKING:
    import pandas as pd


def fit_table(
    path: str | Path,
    *,
    outcome: str,
    facility: str,
    factors: Sequence[str],
    out: str | Path,
    method: str = "agq",
    n_nodes: int = 7,
    scale: str = "percent",
    interval: str = "bootstrap",
    n_bootstrap: int = 2000,
    seed: int = 1,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Modelled:
    """Fit the hierarchical model to a CSV or Parquet table and write model, rates and manifest.

    Parameters
    ----------
    path : str or Path
        CSV or Parquet file, one row per case.
    outcome, facility : str
        Column of 0 and 1; column of facility labels.
    factors : sequence of str
        Columns of risk factors.
    out : str or Path
        Folder to write to.
    method, n_nodes, scale, interval, n_bootstrap, seed
        As in `fit_hierarchical` and `standardize`.
    overwrite : bool
        Replace a folder that is there.
    progress : callable, optional
        Called with replicates done and replicates in all.

    Returns
    -------
    Modelled

    Raises
    ------
    InputError
        When the file or a column is missing.
    FitError, TooFewDataError
        When the data do not carry the model.
    """
    source = Path(path)
    frame = _read_table(source, [outcome, facility, *factors], facility)
    _require_numbers(source, frame, [outcome, *factors])
    y, X = frame[outcome].to_numpy(dtype=float), factor_matrix(frame, factors)
    kept, dropped = usable_columns(X, y, factors, {})
    names = [factors[k] for k in kept]
    fit = fit_hierarchical(y, X[:, kept], frame[facility], method=method, n_nodes=n_nodes, factor_names=names)
    rules = Standardization(scale=scale)
    rates = standardize(fit, measure=rules, interval=interval, n_bootstrap=n_bootstrap, seed=seed, progress=progress)
    modelled = Modelled(fit, rates, tuple(dropped), {factors[k]: float(X[:, k].mean()) for k in kept})
    with whole_folder(Path(out), overwrite=overwrite) as folder:
        write_json(describe_terms(modelled, {}), folder / "model.json")
        rows = rates.to_frame().astype({"facility_id": str})
        write_csv(rows, folder / "facility_rates.csv")
        write_parquet(rows, folder / "facility_rates.parquet")
        write_json(_manifest(source, outcome, facility, factors, modelled), folder / "manifest.json")
    return modelled


def _read_table(path: Path, columns: list[str], facility: str) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"no file {path}", expected="a CSV or Parquet file", hint="check the path")
    try:
        # Facility numbers keep their leading zeros only as text.
        texts = pacsv.ConvertOptions(column_types={facility: pa.string()}, strings_can_be_null=True)
        table = pq.read_table(path) if path.suffix == ".parquet" else pacsv.read_csv(path, convert_options=texts)
    except pa.ArrowInvalid:
        raise InputError(
            f"file {path.name} cannot be read as a table", expected="CSV with a header, or Parquet"
        ) from None
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise InputError(
            f"file {path.name} lacks {len(missing)} column(s): {', '.join(missing)}",
            expected=f"some of {', '.join(table.column_names)}",
        )
    return table.select(columns).to_pandas()


def _require_numbers(path: Path, frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse text and blanks where the model needs numbers; rows are named by position."""
    import numpy as np

    for name in columns:
        values = frame[name].to_numpy()
        if not np.issubdtype(values.dtype, np.number) and values.dtype != bool:
            raise InputError(f"file {path.name}, column {name}: not numbers", expected="a number in every row")
        blank = np.flatnonzero(np.isnan(values.astype(float)))
        if len(blank):
            first = ", ".join(str(row + 1) for row in blank[:5])
            raise InputError(
                f"file {path.name}, column {name}: {len(blank):,} blank cell(s), first at data row(s) {first}",
                expected="a number in every row",
            )


def _manifest(
    source: Path, outcome: str, facility: str, factors: Sequence[str], modelled: Modelled
) -> dict[str, object]:
    rates = modelled.rates
    return {
        "input": {"file": source.name, "sha256": file_hash(source)},
        "columns": {"outcome": outcome, "facility": facility, "factors": list(factors)},
        "settings": {
            "method": modelled.fit.method,
            "n_nodes": modelled.fit.n_nodes,
            "scale": rates.scale,
            "interval": rates.interval,
            "n_bootstrap": rates.n_bootstrap,
            "seed": rates.seed,
        },
        "versions": versions(),
    }
