"""Workbooks in LibreOffice: they open and print without a warning."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

OFFICE = shutil.which("soffice") or shutil.which("libreoffice")


def test_workbooks_convert_to_pdf_without_a_warning(reported, tmp_path):
    if not OFFICE:
        if os.environ.get("RISKSTD_REQUIRE_BROWSER"):
            pytest.fail("LibreOffice is missing though it was promised")
        pytest.skip("LibreOffice is not installed")
    books = [sorted(folder.glob("facilities/*/report.xlsx"))[0] for folder in reported]
    named = [shutil.copy(book, tmp_path / f"{k}.xlsx") for k, book in enumerate(books)]
    done = subprocess.run(
        [OFFICE, f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "pdf",
         "--outdir", tmp_path, *named],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if "javaldx" not in line]
    assert (done.returncode, said) == (0, [])
    for k in range(len(books)):
        assert (tmp_path / f"{k}.pdf").read_bytes().startswith(b"%PDF")
