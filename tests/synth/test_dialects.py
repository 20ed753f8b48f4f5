"""Dialects of one world: the same claims under other names and keys, without what a dialect lacks."""

from __future__ import annotations

import datetime as dt

import pandas as pd
import pyarrow.parquet as pq
import pytest

from riskstd.synth import synthesize

SETTINGS = {"measures": ["ASC-18", "ASC-12"], "facilities": 4, "procedures": 120, "seed": 9}
KINDS = (("carrier", "carrier_line", "LINE_NUM"), ("outpatient", "outpatient_revenue", "CLM_LINE_NUM"),
         ("inpatient", "inpatient_revenue", "CLM_LINE_NUM"))  # fmt: skip


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    out = tmp_path_factory.mktemp("dialects")
    for layout in ("ccw", "flat", "lds"):
        synthesize(out / layout, layout=layout, **SETTINGS)
    return out


def _parquet(folder, name):
    tables = [pq.read_table(path).to_pandas() for path in sorted(folder.glob(f"claims/{name}_2*.parquet"))]
    return pd.concat(tables, ignore_index=True)


def _flat(folder, name):
    tables = [
        pd.read_csv(path, sep="|", dtype=str, keep_default_na=False, na_values=[""])
        for path in sorted(folder.glob(f"claims/{name}_2*.csv"))
    ]
    return pd.concat(tables, ignore_index=True)


def _texts(frame, style):
    """Cells as text, dates in a style, so that one dialect can be compared with another."""

    def text(value):
        if value is None or value is pd.NaT or pd.isna(value):
            return ""
        return value.strftime(style) if isinstance(value, dt.date) else str(value)

    return frame.astype(object).map(text)


@pytest.mark.parametrize(("kind", "line", "number"), KINDS)
def test_flat_files_repeat_the_claim_on_each_line(worlds, kind, line, number):
    base, lines, flat = (_parquet(worlds / "ccw", f"{kind}_base"), _parquet(worlds / "ccw", line),
                         _flat(worlds / "flat", kind))  # fmt: skip
    assert len(flat) == len(lines)
    # A column of the same name on the line stands for the line.
    header = base.drop(columns=[name for name in base if name in lines and name != "CLM_ID"])
    joined = _texts(lines.merge(header, on="CLM_ID"), "%d-%b-%Y")
    flat = _texts(flat, "%d-%b-%Y")
    assert set(flat.columns) == set(joined.columns)
    keys = ["CLM_ID", number]
    one, other = (frame[sorted(joined.columns)].sort_values(keys, ignore_index=True) for frame in (joined, flat))
    pd.testing.assert_frame_equal(one, other)


@pytest.mark.parametrize(("kind", "line", "number"), KINDS)
def test_limited_data_sets_have_their_own_keys_and_no_from_dates(worlds, kind, line, number):
    base, lds = _parquet(worlds / "ccw", f"{kind}_base"), _parquet(worlds / "lds", f"{kind}_base")
    assert not {"BENE_ID", "CLM_ID", "CLM_FROM_DT"} & set(lds.columns)
    key = lds[["CLAIM_NO"]].assign(year=pd.to_datetime(lds["CLM_THRU_DT"]).dt.year)
    assert not key.duplicated().any()
    assert key["CLAIM_NO"].duplicated().any()
    same = [name for name in base.columns if name in lds.columns]
    assert "CLM_THRU_DT" in same
    pd.testing.assert_frame_equal(base[same], lds[same])
    lines, of_lds = _parquet(worlds / "ccw", line), _parquet(worlds / "lds", line)
    assert "LINE_1ST_EXPNS_DT" not in of_lds
    same = [name for name in lines.columns if name in of_lds.columns]
    assert number in same
    pd.testing.assert_frame_equal(lines[same], of_lds[same])


def test_limited_data_sets_have_an_age_in_place_of_a_birth_date(worlds):
    people, lds = _parquet(worlds / "ccw", "mbsf"), _parquet(worlds / "lds", "mbsf")
    assert not [name for name in lds.columns if "BIRTH" in name or "DOB" in name]
    born = pd.to_datetime(people["BENE_BIRTH_DT"]).dt.year
    expected = (people["BENE_ENROLLMT_REF_YR"] - born).astype("Float64")
    pd.testing.assert_series_equal(lds["AGE"].astype("Float64"), expected, check_names=False)
    assert lds["AGE"].isna().any()
    assert (people["BENE_ID"].str[-6:] == lds["DESY_SORT_KEY"].str[-6:]).all()


def test_truth_is_the_same_under_the_keys_of_each_dialect(worlds):
    for name in ("index_procedures", "excluded_procedures", "hospital_visits", "outcomes"):
        ccw, flat, lds = (pq.read_table(worlds / x / "truth" / f"{name}.parquet").to_pandas()
                          for x in ("ccw", "flat", "lds"))  # fmt: skip
        pd.testing.assert_frame_equal(ccw, flat)
        pd.testing.assert_frame_equal(ccw.drop(columns="person_id"), lds.drop(columns="person_id"))
        assert lds["person_id"].str.isdigit().all()


def test_delimited_limited_data_sets_write_dates_without_dashes(tmp_path):
    synthesize(tmp_path, layout="lds", file_format="csv", edge_cases=False, **SETTINGS)
    lines = (tmp_path / "claims" / "inpatient_base_2023.csv").read_text().splitlines()
    position = lines[0].split(",").index("CLM_ADMSN_DT")
    assert all(line.split(",")[position].isdigit() and len(line.split(",")[position]) == 8 for line in lines[1:])
