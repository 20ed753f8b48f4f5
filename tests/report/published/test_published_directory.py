"""Names and places of facilities, from a published file or the user's own."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskstd.errors import InputError
from riskstd.report.published.directory import Directory, Entry


@pytest.fixture
def own(tmp_path):
    def build(text: str, encoding: str = "utf-8") -> Directory:
        path = Path(tmp_path, "mine.csv")
        path.write_bytes(text.encode(encoding))
        return Directory.from_csv(path)

    return build


def test_of_a_published_file(samples, read):
    rows = [
        samples.facility(1, ccn="99C0000009", name="LATER"),
        samples.facility(1, ccn="99C0000001", name="FIRST", zip="2134"),
        samples.facility(2, state="me", city="PORT"),
        samples.facility(3, state="", name="N/A"),
    ]
    directory = Directory.of(read(rows))
    assert list(directory) == ["1000000001", "1000000002", "1000000003"]
    assert directory.entry_of("1000000001") == Entry("FIRST", "HILLTOWN", "MA", "02134", "99C0000001")
    assert (directory.state_of("1000000002"), directory.city_of("1000000002")) == ("ME", "PORT")
    assert (directory.state_of("1000000003"), directory.name_of("1000000003")) == (None, None)
    assert directory.states == ["MA", "ME"]
    assert directory.npis_in(" ma ") == ["1000000001"]
    assert directory.npis_in("TX") == []


def test_unknown_facility():
    directory = Directory({})
    assert (directory.name_of("1"), directory.state_of("1"), directory.ccn_of("1")) == (None, None, None)
    assert len(directory) == 0
    assert "1" not in directory


def test_lists_given_out_can_be_changed_without_harm():
    directory = Directory({"1000000001": Entry(state="MA")})
    directory.npis_in("MA").clear()
    assert directory.npis_in("MA") == ["1000000001"]


def test_goes_to_other_processes():
    directory = Directory({"1000000001": Entry("Hill", state="MA")})
    assert directory.npis_in("MA")
    assert pickle.loads(pickle.dumps(directory)).npis_in("MA") == ["1000000001"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_file_of_the_users_own(own, encoding):
    directory = own('State,Note,NPI,Name,ZIP\nma,x,1000000001,"Clínica, Hill",2134\n', encoding)
    assert directory.entry_of("1000000001") == Entry("Clínica, Hill", "", "MA", "02134", "")


def test_equal_rows_collapse(own):
    assert len(own("npi,name\n1000000001,Hill\n1000000001,Hill\n")) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,state\nHill,MA\n", "has 2 columns, of them name and state"),
        ("a,b\n1,2\n", "has 2 columns, of them none that is known"),
        ("npi,other\n1000000001,2\n", "has 2 columns, of them npi"),
        ("npi,name\n1000000001,Hill, Inc\n", "1 row has more or fewer cells than the first line"),
        ("npi,name\n1000000001,Hill\n1.00E+09,Dale\n", "1 row has no NPI of ten digits in file mine.csv (row 3)"),
        ("npi,name\n1000000001,Hill\n1000000001,Dale\n", "1 row contradicts an earlier row of the same NPI"),
        ("npi,name,facility name\n1000000001,Hill,Hill\n", "several columns for name"),
        ("", "is empty"),
    ],
)  # fmt: skip
def test_bad_files(own, text, message):
    with pytest.raises(InputError) as caught:
        own(text)
    assert message in caught.value.found
    assert caught.value.expected
    assert "Dale" not in str(caught.value)


_words = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=12)


@given(
    names=st.dictionaries(st.integers(10**9, 10**10 - 1).map(str), st.tuples(_words, st.sampled_from(["MA", "ME", ""])))
)
def test_every_facility_is_in_its_state_and_no_other(names):
    directory = Directory({npi: Entry(name, state=state) for npi, (name, state) in names.items()})
    found = {npi: state for state in directory.states for npi in directory.npis_in(state)}
    assert found == {npi: state for npi, (_, state) in names.items() if state}
    assert {npi: directory.name_of(npi) for npi in directory} == {npi: name for npi, (name, _) in names.items()}
