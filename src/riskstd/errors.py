"""Every error a user can meet.

A message says what was found, where, how many, what was expected and what to do.
Rows are named by position; a person's identifier, a date or a cell's value never
appears in a message.
"""

from __future__ import annotations


class RiskstdError(Exception):
    """Base of all errors of the package; `exit_code` is what the command line returns.

    Parameters
    ----------
    found : str
        What was found, where and how many.
    expected : str, optional
        What was expected instead.
    hint : str, optional
        What to do about it.

    Examples
    --------
    >>> print(RiskstdError("no file", expected="a folder of claim files", hint="check the path"))
    no file
      expected: a folder of claim files
      what to do: check the path
    """

    exit_code = 1

    def __init__(self, found: str, *, expected: str = "", hint: str = "") -> None:
        self.found = found
        self.expected = expected
        self.hint = hint
        super().__init__(_wording(found, expected, hint))


class InputError(RiskstdError):
    """The user's files or options are at fault (exit code 2)."""

    exit_code = 2


class ClaimsError(InputError):
    """Claim files that cannot be read as claims."""


class SpecError(InputError):
    """A measure definition that is not valid; names file and key."""


class PatientFileError(InputError):
    """A file of invented patients that is not valid; names file, patient, table, row and column."""


class OptionError(InputError):
    """An option outside its allowed values."""


class FitError(InputError):
    """Data that a hierarchical model cannot be fitted to as given."""


class TooFewDataError(RiskstdError):
    """Processed claims hold too few facilities or events for a model (exit code 3)."""

    exit_code = 3


def _wording(found: str, expected: str, hint: str) -> str:
    lines = [found]
    if expected:
        lines.append(f"  expected: {expected}")
    if hint:
        lines.append(f"  what to do: {hint}")
    return "\n".join(lines)
