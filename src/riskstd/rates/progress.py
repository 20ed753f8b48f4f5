"""Progress of a long computation: nothing, a callable, or a bar on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from riskstd.errors import OptionError

Report = Callable[[int, int], None]


@contextmanager
def reporting(progress: Report | bool | None) -> Iterator[Report | None]:
    """Turn the option `progress` into a callable(done, total), or None.

    Parameters
    ----------
    progress : callable(done, total), True, False or None
        True shows a bar on standard error while the context is open.

    Raises
    ------
    OptionError

    Examples
    --------
    >>> with reporting(lambda done, total: print(done, "of", total)) as report:
    ...     report(3, 4)
    3 of 4
    """
    if progress is None or progress is False:
        yield None
    elif progress is True:
        with _bar() as report:
            yield report
    elif callable(progress):
        yield progress
    else:
        raise OptionError(
            f"progress of type {type(progress).__name__}", expected="True, or a callable that takes (done, total)"
        )


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("bootstrap replicates"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task("bootstrap", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
