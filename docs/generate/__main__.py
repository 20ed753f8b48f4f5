"""`python docs/generate` writes the pages of the reference; `--check` says which are stale, with exit code 1."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parents[1]
sys.path.insert(0, str(DOCS.parent))

from docs.generate.pages import reference_pages, stale_pages, write_pages  # noqa: E402


def main() -> int:
    """Write or check the pages below docs/reference."""
    pages = reference_pages()
    if "--check" not in sys.argv[1:]:
        write_pages(pages, DOCS)
        sys.stdout.write(f"{len(pages)} pages written to {DOCS / 'reference'}\n")
        return 0
    stale = stale_pages(pages, DOCS)
    for name in stale:
        sys.stderr.write(f"stale: docs/{name}\n")
    if stale:
        sys.stderr.write("  what to do: make reference, and commit the pages\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
