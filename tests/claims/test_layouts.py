"""The three layouts lead to the same claims tables, in every style of delivery."""

from __future__ import annotations

from datetime import date

import deliveries
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from riskstd.claims import Claims, read_claims
from riskstd.claims.layouts import layout_names, load_layout
from riskstd.cohort import build_cohort
from riskstd.errors import OptionError
from riskstd.outcome import find_hospital_visits
from riskstd.spec import load_measure
from riskstd.tables import CLAIMS_TABLES, to_frame


def outcome_of(folder, **settings):
    claims = read_claims(folder, **settings)
    measure = load_measure("ASC-12")
    cohort = build_cohort(claims, measure)
    visits = find_hospital_visits(claims, cohort, measure)
    return claims, cohort, visits


@pytest.mark.parametrize(
    ("name", "rows", "delimiter"),
    [
        ("ccw", deliveries.ccw_rows, ","),
        ("flat", deliveries.flat_rows, "|"),
        ("tuva", deliveries.tuva_rows, ","),
    ],
)
def test_each_layout_is_detected_and_leads_to_the_same_case(tmp_path, name, rows, delimiter):
    folder = deliveries.write(tmp_path / "in", rows(), delimiter)
    claims, cohort, visits = outcome_of(folder)
    assert claims.layout == name
    assert cohort.procedures["facility_id"].tolist() == [deliveries.NPI]
    assert cohort.procedures["age_years"].tolist() == [73]
    found = list(zip(visits.visits["visit_type"], visits.visits["days_after"], strict=True))
    assert found == [("ed", 2), ("inpatient", 5)]
    assert visits.outcomes["outcome"].tolist() == [1]


def test_tables_have_the_declared_columns_and_types(tmp_path):
    out = tmp_path / "tables"
    read_claims(deliveries.write(tmp_path / "in", deliveries.ccw_rows()), out=out)
    for table in CLAIMS_TABLES:
        found = pq.read_schema(out / f"{table.name}.parquet")
        assert found.names == list(table.names)
        assert found.types == table.arrow_schema().types, table.name


def test_only_the_owner_reads_the_map_to_identifiers(tmp_path):
    out = tmp_path / "tables"
    read_claims(deliveries.write(tmp_path / "in", deliveries.ccw_rows()), out=out)
    assert (out / "private").stat().st_mode & 0o077 == 0
    assert (out / "private" / "person_keys.parquet").stat().st_mode & 0o077 == 0
    assert not any("person_id" in pq.read_schema(path).names for path in out.glob("*.parquet"))


def test_parquet_with_typed_dates_reads_like_text(tmp_path):
    folder = deliveries.write(tmp_path / "in", deliveries.ccw_rows())
    for path in sorted(folder.glob("*.csv")):
        names = path.read_text("utf-8").splitlines()[0].split(",")
        texts = pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
        frame = pacsv.read_csv(path, convert_options=texts).to_pandas()
        for name in names:
            if name.endswith("_DT"):
                frame[name] = [date(int(d[:4]), int(d[4:6]), int(d[6:])) if d else None for d in frame[name]]
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path.with_suffix(".parquet"))
        path.unlink()
    _, cohort, visits = outcome_of(folder)
    assert len(cohort.procedures) == 1
    assert visits.visits["days_after"].tolist() == [2, 5]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20230502", date(2023, 5, 2)),
        ("2023-05-02", date(2023, 5, 2)),
        ("02-May-2023", date(2023, 5, 2)),
        ("5/2/2023", date(2023, 5, 2)),
        ("02MAY2023", date(2023, 5, 2)),
        ("23132", date(2023, 5, 2)),  # SAS day number: days since 1960
        ("2023-05-02 00:00:00", date(2023, 5, 2)),
    ],
)
def test_every_date_style_is_read(tmp_path, text, day):
    rows = deliveries.ccw_rows()
    rows["carrier_line"][0]["LINE_1ST_EXPNS_DT"] = text
    claims = read_claims(deliveries.write(tmp_path / "in", rows))
    assert to_frame(claims.professional_lines)["line_date"].dt.date.tolist() == [day]


def test_codes_keep_leading_zeros_and_lose_points_and_blanks(tmp_path):
    rows = deliveries.ccw_rows()
    rows["carrier_base"][0]["ICD_DGNS_CD1"] = " k50.90 "
    rows["outpatient_revenue"][0]["REV_CNTR"] = "450"
    rows["outpatient_base"][0]["PRVDR_NUM"] = "50001"
    claims = read_claims(deliveries.write(tmp_path / "in", rows))
    assert "K5090" in set(to_frame(claims.diagnoses)["code"])
    lines = to_frame(claims.outpatient_lines)
    assert lines[["revenue_code", "provider_ccn", "bill_type"]].to_numpy().tolist() == [["0450", "050001", "131"]]


def test_absent_columns_are_known_to_be_absent(tmp_path):
    claims = read_claims(deliveries.write(tmp_path / "in", deliveries.tuva_rows()))
    assert not claims.has("professional_lines", "type_of_service")
    assert not claims.has("inpatient_claims", "provider_ccn")
    assert claims.has("professional_lines", "place_of_service")
    complete = read_claims(deliveries.write(tmp_path / "ccw", deliveries.ccw_rows()))
    assert complete.absent == frozenset()


def test_row_order_and_file_split_do_not_change_the_tables(tmp_path):
    rows = deliveries.ccw_rows()
    for person in ("P3", "P2"):
        rows["mbsf_2022"].append(deliveries.beneficiary(person, 2022))
        rows["carrier_base"].append(deliveries.carrier_claim(person, f"C{person}", "20230503"))
        rows["carrier_line"].append(deliveries.carrier_line(person, f"C{person}", "20230503"))
    one, two = tmp_path / "one", tmp_path / "two"
    read_claims(deliveries.write(tmp_path / "in", rows), out=one)
    shuffled = {name: list(reversed(some)) for name, some in rows.items()}
    first, *rest = shuffled.pop("carrier_line")
    shuffled |= {"carrier_line_a": [first], "carrier_line_b": rest}
    read_claims(deliveries.write(tmp_path / "shuffled", shuffled), out=two)
    for table in CLAIMS_TABLES:
        name = f"{table.name}.parquet"
        assert (one / name).read_bytes() == (two / name).read_bytes(), table.name


def test_layouts_are_data_with_names():
    assert layout_names() == ["ccw", "flat", "lds", "tuva"]
    with pytest.raises(OptionError, match="no layout is called 'sas'"):
        load_layout("sas")


def test_frames_of_every_kind_make_claims():
    rows = {"person_key": [1, 2], "sex": ["male", "female"]}
    for frame in (pd.DataFrame(rows), pl.DataFrame(rows), pa.table(rows)):
        claims = Claims.from_frames({"people": frame})
        assert to_frame(claims.people)["sex"].tolist() == ["male", "female"]


def test_rows_as_dicts_may_name_other_columns_each():
    claims = Claims.from_frames({"people": [{"person_key": 1}, {"person_key": 2, "sex": "female"}]})
    assert claims.people.order_by("person_key").sex.to_pyarrow().to_pylist() == [None, "female"]


def test_people_without_a_record_have_an_identifier():
    line = {"person_key": 7, "claim_id": "a", "line_number": 1, "line_date": date(2023, 5, 1)}
    claims = Claims.from_frames({"people": [{"person_key": 2}], "professional_lines": [line]}, person_ids={7: "seven"})
    assert claims.person_keys is not None
    rows = claims.person_keys.order_by("person_key").to_pyarrow().to_pylist()
    assert rows == [{"person_key": 2, "person_id": "2"}, {"person_key": 7, "person_id": "seven"}]
