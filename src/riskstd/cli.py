"""The command line, in the order of the flow. Results go to files or standard output, the rest to standard error."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from riskstd import __version__
from riskstd.cli_assure import assure
from riskstd.cli_import import import_table
from riskstd.cli_parts import choices_of as _choices
from riskstd.cli_parts import print_table as _print_table
from riskstd.cli_parts import results as _stdout
from riskstd.cli_parts import to_user as _stderr
from riskstd.cli_spec import spec_app
from riskstd.cli_trace import trace
from riskstd.errors import OptionError, RiskstdError, TooFewDataError

app = typer.Typer(
    help="From Medicare claims to risk-standardized hospital visit rates per facility.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(spec_app, name="spec")
app.command("import")(import_table)
app.command("assure")(assure)
app.command("trace")(trace)

_log = logging.getLogger("riskstd")

EXIT_TOO_FEW = 3
DEFINITIONS_VARIABLE = "RISKSTD_DEFINITIONS"
EXIT_INTERRUPTED, EXIT_TERMINATED = 130, 143

LayoutOption = Annotated[str, typer.Option(help="Layout of the claim files: auto, ccw, flat, lds, tuva.")]
SeedOption = Annotated[int, typer.Option(help="Seed of every random draw.")]
BootstrapOption = Annotated[
    int | None, typer.Option(min=1, help="Bootstrap replicates; as in the definition if left out.")
]
MethodOption = Annotated[str, typer.Option(help="Estimator: agq, laplace, pql.")]
IntervalOption = Annotated[str, typer.Option(help="Interval estimate: bootstrap, plug-in, closed-form, none.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
BadRowsOption = Annotated[str, typer.Option(help="Dates that cannot be read: error or set-aside.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"riskstd {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    debug: Annotated[bool, typer.Option("--debug", help="Log steps and counts.")] = False,
    definitions: Annotated[
        str | None, typer.Option(help="Definition folder with imported tables and own measures; '' for none.")
    ] = None,
    version: Annotated[  # noqa: ARG001 - acts through its callback
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    if definitions is not None:
        # Processes that a command starts look there too.
        os.environ[DEFINITIONS_VARIABLE] = str(Path(definitions).resolve()) if definitions else ""
    # Only our own log is shown: those of other libraries may hold values of cells.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    _log.addHandler(handler)
    _log.setLevel(logging.DEBUG if debug else logging.WARNING)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("demo"),
    procedures: Annotated[int, typer.Option(min=100, help="Procedures of the synthetic claims.")] = 60_000,
    facilities: Annotated[int, typer.Option(min=4, help="Facilities of the synthetic claims.")] = 250,
    bootstrap: BootstrapOption = None,
    seed: SeedOption = 1,
    overwrite: OverwriteOption = False,
) -> None:
    """Synthetic claims, all four measures, reports; nothing else needed."""
    from riskstd.pipeline.demo import run_demo

    with _progress() as tell:
        runs = run_demo(
            out,
            procedures=procedures,
            facilities=facilities,
            n_bootstrap=bootstrap,
            seed=seed,
            overwrite=overwrite,
            progress=tell,
        )
    _show_runs(runs)


@app.command()
def synth(
    out: Annotated[Path, typer.Option(help="Folder; claims/ and truth/ go into it.")],
    scale: Annotated[
        int | None, typer.Option(help="People; 5000000 are one nation. Takes the place of facilities and procedures.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes for --scale; all cores if left out.")] = None,
    measures: Annotated[str, typer.Option(help="Measure ids, comma between.")] = "ASC-12,ASC-17,ASC-18,ASC-19",
    facilities: Annotated[int, typer.Option(min=1, help="Facilities.")] = 250,
    procedures: Annotated[int, typer.Option(min=1, help="Procedures over all measures.")] = 60_000,
    layout: Annotated[str, typer.Option(help="Layout: ccw, flat, lds.")] = "ccw",
    file_format: Annotated[
        str | None, typer.Option("--format", help="parquet or csv; flat files are csv if left out.")
    ] = None,
    edge_cases: Annotated[bool, typer.Option(help="Plant edge cases at facilities of their own.")] = True,
    seed: SeedOption = 1,
) -> None:
    """Make synthetic claims with known truth."""
    from riskstd.synth import synthesize

    with _progress() as tell:
        summary = synthesize(
            out,
            measures=tuple(name.strip() for name in measures.split(",")),
            facilities=facilities,
            procedures=procedures,
            people=scale,
            workers=workers or os.cpu_count() or 1,
            seed=seed,
            layout=layout,
            file_format=file_format,  # type: ignore[arg-type]
            edge_cases=edge_cases,
            progress=tell,
        )
    _stdout.print(summary)


@app.command()
def validate(
    folder: Annotated[Path, typer.Argument(help="Folder of claim files.")],
    layout: LayoutOption = "auto",
    bad_rows: BadRowsOption = "error",
    memory: Annotated[str | None, typer.Option(help="Memory for reading, for example 4GB.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is in claim files, and what is wrong with them."""
    from riskstd.pipeline.validation import validate_claims

    with _progress() as tell:
        found = validate_claims(folder, layout=layout, bad_rows=_underscored(bad_rows), memory=memory, progress=tell)
    if as_json:
        print(json.dumps(vars(found), indent=1))
        return
    _stdout.print(f"Layout: {found.layout}")
    _print_table("Files", ["file", "kind", "rows"], [[f["file"], f["kind"], f"{f['rows']:,}"] for f in found.files])
    if found.ignored:
        _stdout.print(f"Not needed by this layout: {', '.join(found.ignored)}")
    _print_table("Claims tables", ["table", "rows"], [[k, f"{v:,}"] for k, v in found.tables.items()])
    _print_table("Professional lines by year", ["year", "lines"], [[k, f"{v:,}"] for k, v in found.years.items()])
    _print_table(
        "Candidate procedures",
        ["measure", "procedures"],
        [[k, f"{v:,}"] for k, v in found.candidates.items()],
    )
    for finding in found.findings:
        _stdout.print(f"- {finding}")


@app.command()
def run(
    measures: Annotated[list[str], typer.Argument(help="Measure ids, or definition files: ASC-12 my/spine-90.toml.")],
    claims: Annotated[Path, typer.Option(help="Folder of claim files or of claims tables.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    year: Annotated[int, typer.Option(help="Specification year.")] = 2025,
    period: Annotated[
        str | None, typer.Option(help="First and last procedure date, for example 2023-01-01:2024-12-31.")
    ] = None,
    layout: LayoutOption = "auto",
    method: MethodOption = "agq",
    nodes: Annotated[int, typer.Option(min=1, help="Quadrature nodes of agq.")] = 7,
    interval: IntervalOption = "bootstrap",
    bootstrap: BootstrapOption = None,
    seed: SeedOption = 1,
    option: Annotated[
        list[str] | None, typer.Option("--option", help="Choice where sources conflict: name=value.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Audience of the report: facility or public.")] = "facility",
    engine: Annotated[str, typer.Option(help="Engine of the claims steps: duckdb or spark.")] = "duckdb",
    bad_rows: BadRowsOption = "error",
    memory: Annotated[str | None, typer.Option(help="Memory for reading and claims steps, for example 4GB.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Skip measures that are done, reuse claims tables.")] = False,
    overwrite: OverwriteOption = False,
) -> None:
    """Run measures on claims: cohort, visits, risk factors, model, rates, report."""
    from riskstd.pipeline.batch import run_measures
    from riskstd.spec import load_measure

    with _progress() as tell:
        runs = run_measures(
            measures,
            claims=claims,
            year=year,
            out=out,
            layout=layout,
            bad_rows=_underscored(bad_rows),  # type: ignore[arg-type]
            memory=memory,
            resume=resume,
            overwrite=overwrite,
            options=_choices(option or []),
            engine=engine,
            period=period.split(":") if period else None,
            progress=tell,
            method=method,
            n_nodes=nodes,
            interval=interval,
            n_bootstrap=bootstrap,
            seed=seed,
            profile=profile,
        )
    _show_runs(runs)
    if any(_has_no_rates(out / load_measure(name, year).id.lower()) for name in measures):
        raise typer.Exit(EXIT_TOO_FEW)


@app.command()
def fit(
    table: Annotated[Path, typer.Argument(help="CSV or Parquet file, one row per case.")],
    outcome: Annotated[str, typer.Option(help="Column of 0 and 1.")],
    facility: Annotated[str, typer.Option(help="Column of facility labels.")],
    factors: Annotated[str, typer.Option(help="Columns of risk factors, comma between.")],
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    method: MethodOption = "agq",
    nodes: Annotated[int, typer.Option(min=1, help="Quadrature nodes of agq.")] = 7,
    scale: Annotated[str, typer.Option(help="per_1000, percent or ratio.")] = "percent",
    interval: IntervalOption = "bootstrap",
    bootstrap: Annotated[int, typer.Option(min=1, help="Bootstrap replicates.")] = 2000,
    seed: SeedOption = 1,
    overwrite: OverwriteOption = False,
) -> None:
    """Fit the model to any table and write rates per facility."""
    from riskstd.pipeline.table_fit import fit_table

    with _progress() as tell:
        modelled = fit_table(
            table,
            outcome=outcome,
            facility=facility,
            factors=[name.strip() for name in factors.split(",") if name.strip()],
            out=out,
            method=method,
            n_nodes=nodes,
            scale=scale,
            interval=interval,
            n_bootstrap=bootstrap,
            seed=seed,
            overwrite=overwrite,
            progress=lambda done, total: tell(done, total, "bootstrap"),
        )
    print(modelled.fit.summary())
    for one in modelled.dropped:
        _stderr.print(f"left out: {one.factor}: {one.reason}")
    _stdout.print(f"written to {out}")


@app.command()
def report(
    run_dir: Annotated[Path, typer.Argument(help="Folder of a finished run, or of several.")],
    facility: Annotated[
        list[str] | None, typer.Option(help="Facility to report on, by its id; may be repeated.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Report on every facility.")] = False,
    profile: Annotated[
        str, typer.Option(help="Audience: public, facility (no persons), facility-phi (own cases).")
    ] = "facility",
    formats: Annotated[str, typer.Option("--format", help="Facility reports: workbook, page, pdf.")] = "workbook,page",
    published: Annotated[
        Path | None, typer.Option(help="Facility file of the Provider Data Catalog, to compare with.")
    ] = None,
    directory: Annotated[Path | None, typer.Option(help="CSV of facilities: npi, name, state.")] = None,
    earlier: Annotated[
        list[Path] | None, typer.Option(help="Earlier run of the measure, oldest first; may be repeated.")
    ] = None,
    pdf: Annotated[bool, typer.Option("--pdf", help="The national report as PDF too.")] = False,
    overdispersion: Annotated[
        bool, typer.Option("--overdispersion", help="Widen the funnel by the spread that all facilities share.")
    ] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; all processors if left out.")] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Write reports of a finished run to its folder report/PROFILE; a call that was stopped goes on where it was."""
    from riskstd.pipeline.reports import ReportOptions, write_reports
    from riskstd.pipeline.saved import find_runs

    if every and facility:
        raise OptionError("--all together with --facility", expected="one of them")
    kinds = tuple(dict.fromkeys(kind.strip() for kind in formats.split(",")))
    rows, without_rates, failed = [], [], 0
    for folder in find_runs(run_dir):
        options = ReportOptions(
            folder,
            _profile(profile),
            kinds,
            published,
            directory,
            tuple(earlier or ()),
            national_pdf=pdf,
            overdispersion=overdispersion,
        )
        with _progress() as tell:
            try:
                result = write_reports(
                    options,
                    facilities=None if every else tuple(facility or ()),
                    overwrite=overwrite,
                    workers=workers,
                    progress=tell,
                )
            except TooFewDataError as error:
                without_rates.append(error)
                continue
        failed += len(result.failed)
        rows.append([str(options.folder / "index.html"), f"{len(result.outcomes):,}", f"{len(result.failed):,}"])
    if rows:
        _print_table("Reports", ["first page", "facilities", "failed"], rows)
    for error in without_rates:
        _stderr.print(f"error: {error}", style="bold", markup=False, highlight=False)
    if failed:
        _stderr.print(
            f"{failed:,} facility reports failed: the first pages and facilities.csv say which, and why", markup=False
        )
        raise typer.Exit(1)
    if without_rates:
        raise typer.Exit(EXIT_TOO_FEW)


def main() -> None:
    """Run the command line; errors become messages and exit codes."""
    # A stop from outside unwinds like an error, so that nothing half-written stays.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))
    try:
        app()
    except KeyboardInterrupt:
        _stderr.print("interrupted: nothing half-written was left", markup=False)
        sys.exit(EXIT_INTERRUPTED)
    except RiskstdError as error:
        _stderr.print(f"error: {error}", style="bold", markup=False, highlight=False)
        sys.exit(error.exit_code)
    except Exception as error:
        if isinstance(error, RuntimeError) and "interrupt" in str(error).lower():
            _stderr.print("interrupted: nothing half-written was left", markup=False)
            sys.exit(EXIT_INTERRUPTED)
        # The message of an unforeseen error may hold a value of the data: only its place is shown.
        frames = traceback.extract_tb(error.__traceback__)
        _stderr.print(f"unforeseen error: {type(error).__name__}", style="bold", markup=False)
        for frame in frames[-6:]:
            _stderr.print(f"  {Path(frame.filename).name}:{frame.lineno} in {frame.name}", markup=False)
        _stderr.print("  what to do: report these lines; they hold no data", markup=False)
        sys.exit(1)


@contextmanager
def _progress() -> Iterator[Any]:
    """A progress bar on a terminal; log lines elsewhere."""
    if not _stderr.is_terminal:
        yield lambda done, total, what: _log.debug("%s (%s of %s)", what, done, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=_stderr, transient=True) as bar:
        task = bar.add_task("starting", total=1)

        def tell(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        yield tell


def _has_no_rates(folder: Path) -> bool:
    return json.loads((folder / "manifest.json").read_text("utf-8"))["status"] != "rates"


def _show_runs(runs: list[Any]) -> None:
    rows = []
    for one in runs:
        rates = one.rates
        rows.append(
            [
                one.measure.id,
                f"{one.counts['index_procedures']:,}",
                f"{one.counts['procedures_with_visit']:,}",
                "-" if rates is None else f"{len(rates):,}",
                "rates" if rates is not None else one.no_model_reason,
            ]
        )
    if not runs:
        _stdout.print("Every measure was done already.")
        return
    _print_table("Runs", ["measure", "index procedures", "with visit", "facilities", "result"], rows)
    for one in runs:
        _stdout.print(f"{one.measure.id}: {one.folder / 'report' / 'index.html'}", soft_wrap=True)


def _profile(text: str) -> Any:
    from riskstd.report.content import check_profile

    return check_profile(text)


def _underscored(text: str) -> str:
    return text.replace("-", "_")


if __name__ == "__main__":
    main()
