"""Settings of the Python interpreter that some work wants otherwise while it lasts."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

T = TypeVar("T")
QUICK_SECONDS = 5e-5
RARE_OBJECTS = 100_000


class SharedSetting(Generic[T]):
    """A setting of the process that several users may want otherwise at a time; the last gives it back.

    Parameters
    ----------
    read : callable
        Returns the setting.
    write : callable
        Takes it.
    wanted : callable
        Returns what users want, from what it was before the first of them.
    """

    def __init__(self, read: Callable[[], T], write: Callable[[T], object], wanted: Callable[[T], T]) -> None:
        self._read, self._write, self._wanted = read, write, wanted
        self._lock = threading.Lock()
        self._users = 0
        self._usual: T | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Set it as wanted; as it was before after the last user."""
        with self._lock:
            if not self._users:
                self._usual = self._read()
                self._write(self._wanted(self._usual))
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    assert self._usual is not None
                    self._write(self._usual)


_interval = SharedSetting(sys.getswitchinterval, sys.setswitchinterval, lambda usual: min(QUICK_SECONDS, usual))
_thresholds = SharedSetting(
    gc.get_threshold,
    lambda thresholds: gc.set_threshold(*thresholds),
    # zero turns collections off, which somebody else may want
    lambda usual: (max(RARE_OBJECTS, usual[0]) if usual[0] else 0, *usual[1:]),
)


@contextmanager
def quick_handover() -> Iterator[None]:
    """Let threads that come out of a kernel have the interpreter soon; as it was before after the last user.

    A kernel of a bootstrap takes a millisecond or two. Python lets the thread that has the interpreter keep it for five
    milliseconds while another one waits, in which that other could have done several.

    Examples
    --------
    >>> before = sys.getswitchinterval()
    >>> with quick_handover():
    ...     sys.getswitchinterval() < before
    True
    >>> sys.getswitchinterval() == before
    True
    """
    with _interval.held():
        yield


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let Python look for unreachable objects rarely; as it was before after the last user.

    Expressions and their SQL are hundreds of thousands of small objects that stay: looking through them time and again
    takes a fifth of a stage on small data.

    Examples
    --------
    >>> before = gc.get_threshold()
    >>> with rare_collections():
    ...     gc.get_threshold()[0] >= 100_000
    True
    >>> gc.get_threshold() == before
    True
    """
    with _thresholds.held():
        yield
