"""Names of a package that load on first use."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, places: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package whose names come from elsewhere.

    Parameters
    ----------
    package : str
        Its name.
    places : mapping of str to str
        Module of each name.

    Examples
    --------
    >>> get, names = lazy_names("shapes", {"sqrt": "math"})
    >>> get("sqrt")(9.0), names()
    (3.0, ['sqrt'])
    >>> get("cube")
    Traceback (most recent call last):
    AttributeError: module 'shapes' has no attribute 'cube'
    """

    def get(name: str) -> Any:
        if name in places:
            return getattr(import_module(places[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get, lambda: sorted({*vars(sys.modules[package]), *places} if package in sys.modules else places)
