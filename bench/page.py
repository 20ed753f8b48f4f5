"""docs/performance.md, made from the results that lie beside the benchmarks: `python bench/page.py`."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
TARGET = HERE.parent / "docs" / "performance.md"


def main() -> None:
    """Write the page."""
    results = HERE / "model" / "results.json"
    if not results.exists():
        raise SystemExit(f"no results at {results}\n  what to do: run make bench first")
    model, claims = load("model"), load("claims")
    fitted = model.sections(json.loads(results.read_text("utf-8")))
    parts = (HEAD, "## The claims steps", demote(claims.sections()), "## The hierarchical model", demote(fitted))
    TARGET.write_text("\n\n".join(part.strip("\n") for part in parts) + "\n", "utf-8")


def demote(text: str) -> str:
    """Put headings one level lower.

    Examples
    --------
    >>> demote("## Machine")
    '### Machine'
    """
    return re.sub(r"^#", "##", text, flags=re.MULTILINE)


def load(name: str) -> ModuleType:
    """Module `page` of a benchmark, which takes its neighbours by their names."""
    folder = HERE / name
    sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location(f"page_of_{name}", folder / "page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    sys.path.remove(str(folder))
    return module


HEAD = """# Performance

This page is generated from the results beside the benchmarks by `python bench/page.py`, the last step of each
target below. Changes go there. To repeat it on another machine:

```console
make bench-peers     # GPBoost, glum and statsmodels; says how to get R's lme4 and glmmTMB
make bench           # the model: one run, then this page
make bench-claims    # reading and the claims steps; half an hour, or with PEOPLE="50000 500000 5000000" two hours
make bench-nation    # five million people from nothing to reports; two hours, 40 GB of disk
```

A quick run of the model's parts with small data, which leaves this page alone:

```console
make bench-quick
```
"""

if __name__ == "__main__":
    main()
