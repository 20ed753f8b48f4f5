"""How soon threads hand the interpreter to each other."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

QUICK_SECONDS = 5e-5
_lock = threading.Lock()
_users = 0
_usual_seconds = 0.0


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
    global _users, _usual_seconds
    with _lock:
        if not _users:
            _usual_seconds = sys.getswitchinterval()
            sys.setswitchinterval(min(QUICK_SECONDS, _usual_seconds))
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                sys.setswitchinterval(_usual_seconds)
