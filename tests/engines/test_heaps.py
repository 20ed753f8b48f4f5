"""With a memory limit, threads share few heaps of the C library."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

COUNT = """
import ctypes, sys, threading
from riskstd.engines.embedded import connect_duckdb

engine = connect_duckdb(memory=sys.argv[2] or None)
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
meet = threading.Barrier(7)

def allocate():
    meet.wait()
    libc.malloc(1000)
    meet.wait()

threads = [threading.Thread(target=allocate) for _ in range(meet.parties)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
stream = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, stream)
libc.fclose(stream)
"""


def heaps(path, memory):
    subprocess.run([sys.executable, "-c", COUNT, str(path), memory], check=True, timeout=120)
    return path.read_text().count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="heaps are those of glibc")
def test_a_memory_limit_keeps_threads_to_few_heaps(tmp_path):
    assert heaps(tmp_path / "limited.xml", "500MB") < heaps(tmp_path / "free.xml", "")
