"""A process that is killed at any step of putting a folder in its place leaves the old one or the new one, whole."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack

import pytest

from riskstd.errors import InputError
from riskstd.pipeline.write import whole_folder

# Forks in a process of its own: here other threads may run.
HARNESS = """
import json, os, shutil, signal, sys
from pathlib import Path
from riskstd.pipeline.write import whole_folder

EVENTS = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree")

def write(target, text):
    with whole_folder(target, overwrite=True) as scratch:
        (scratch / "report").mkdir()
        (scratch / "report" / "index.html").write_text(text)
        (scratch / "rates.csv").write_text(text)
        (scratch / "manifest.json").write_text(text)

def killed_at(number, target, text):
    process = os.fork()
    if not process:
        seen = 0
        def kill(event, arguments):
            nonlocal seen
            if event in EVENTS:
                seen += 1
                if seen == number:
                    os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(kill)
        write(target, text)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL

def state(target):
    found = sorted((str(p.relative_to(target)), p.read_text()) for p in target.rglob("*") if p.is_file())
    return {"files": found, "beside": len([p for p in target.parent.iterdir() if p != target])}

def states(target, old):
    target.parent.mkdir()
    found, number, killed = [], 0, True
    while killed:
        if old:
            write(target, "old")
        elif target.exists():
            shutil.rmtree(target)
        number += 1
        killed = killed_at(number, target, "new")
        found.append(state(target))
    return found

folder = Path(sys.argv[1])
print(json.dumps({name: states(folder / name / "asc-18", name == "again") for name in ("first", "again")}))
"""


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    ran = subprocess.run(
        [sys.executable, "-c", HARNESS, str(tmp_path_factory.mktemp("replaced"))],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout)


def whole(text):
    return [[name, text] for name in ("manifest.json", "rates.csv", "report/index.html")]


def test_a_new_folder_is_there_whole_or_not_at_all(states):
    found = states["first"]
    assert len(found) > 3
    assert all(state["files"] in ([], whole("new")) for state in found)
    assert found[-1] == {"files": whole("new"), "beside": 0}
    assert all(state["beside"] <= 1 for state in found)


def test_an_old_folder_is_replaced_whole_or_not_at_all(states):
    found = states["again"]
    assert len(found) > 5
    kept = [state["files"] for state in found]
    # Between two names there is a moment without either; the next process puts the old one back.
    assert all(files in ([], whole("old"), whole("new")) for files in kept)
    assert kept.count([]) <= 1
    assert kept[0] == whole("old")
    assert found[-1] == {"files": whole("new"), "beside": 0}
    assert all(state["beside"] <= 1 for state in found)


def test_what_another_process_wrote_meanwhile_is_not_replaced(tmp_path):
    target = tmp_path / "asc-18"
    both = ExitStack()
    mine = both.enter_context(whole_folder(target))
    (mine / "manifest.json").write_text("mine")
    with whole_folder(target) as theirs:
        (theirs / "manifest.json").write_text("theirs")
    with pytest.raises(InputError, match="is there already"):
        both.close()
    assert (target / "manifest.json").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["asc-18"]
