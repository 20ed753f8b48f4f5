"""Official layouts damaged at random: an import comes through whole or is refused in words, and leaves nothing half."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importing.books import CATEGORIES, CCS, COVERED, FEES, PLANNED, write_book
from importing.test_icd10 import ORDER_CM, order_file
from riskstd.errors import InputError
from riskstd.importing import ImportRequest, import_file
from riskstd.spec import fidelity_of, load_measure

BOOKS = {
    "paa": PLANNED,
    "ccs": CCS,
    "cc": {"M": CATEGORIES},
    "rvu": {"P": FEES},
    "addendum-aa": {"AA": COVERED},
    "icd10cm": {"C": [["code"], *([code] for code, _, _ in ORDER_CM)]},
}
CELLS = st.one_of(
    st.none(),
    st.text(st.characters(min_codepoint=32, max_codepoint=0x2000, exclude_categories=["Cs", "Cc"]), max_size=12),
    st.integers(-10, 10**8),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.booleans(),
    st.dates(),
    st.sampled_from(["End of worksheet", "Removed", "ICD-10-PCS", "CCS", "V24", "#N/A", "=A1"]),
)


@st.composite
def damaged(draw, sheets):
    found = {}
    for name, rows in sheets.items():
        kept = [list(row) for row in rows if draw(st.integers(0, 12))]
        for _ in range(draw(st.integers(0, 3))):
            if kept:
                row = kept[draw(st.integers(0, len(kept) - 1))]
                row[draw(st.integers(0, max(0, len(row) - 1))) : 1] = [draw(CELLS)]
        if draw(st.integers(0, 15)):
            found[name] = kept
    return found or {"empty": [[]]}


@pytest.mark.parametrize("kind", BOOKS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_damaged_workbooks(tmp_path_factory, kind, data):
    folder = tmp_path_factory.mktemp("damaged")
    book = write_book(folder / "x2024.xlsx", data.draw(damaged(BOOKS[kind])))
    _whole_or_refused(kind, book, folder / "definitions")


@pytest.mark.parametrize("kind", [*BOOKS, "icd10pcs"])
@settings(max_examples=25, deadline=None)
@given(
    content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "ignore")))
)
def test_any_bytes(tmp_path_factory, kind, content):
    folder = tmp_path_factory.mktemp("bytes")
    (folder / "x2024.csv").write_bytes(content)
    _whole_or_refused(kind, folder / "x2024.csv", folder / "definitions")


@settings(max_examples=25, deadline=None)
@given(at=st.integers(0, 200), what=st.binary(min_size=1, max_size=5))
def test_a_line_of_an_order_file_that_was_overwritten(tmp_path_factory, at, what):
    folder = tmp_path_factory.mktemp("order")
    file = order_file(folder / "icd10cm_order_2024.txt", ORDER_CM * 4)
    content = file.read_bytes()
    file.write_bytes(content[:at] + what + content[at + len(what) :])
    _whole_or_refused("icd10cm", file, folder / "definitions")


def _whole_or_refused(kind, file, definitions):
    try:
        report = import_file(ImportRequest(kind, file, definitions))
    except InputError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert "expected:" in refused
        assert not definitions.exists()
        return
    count = report.sheets[0]
    assert count.rows == count.taken + count.removed + count.set_aside + count.rejected
    json.dumps(report.to_dict())
    assert import_file(ImportRequest(kind, file, definitions)).outcome == "unchanged"
    fidelity_of(load_measure("ASC-12", definitions=definitions))
