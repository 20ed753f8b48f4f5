"""A run beside published results."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from riskstd.errors import InputError
from riskstd.report.published.compare import compare_published, rank_correlation
from riskstd.report.wording import SUPPRESSED
from riskstd.spec import load_measure


@pytest.fixture
def publish(samples, read):
    """Publish the rates of a run as they are, rounded; `change` may turn each row into other numbers."""

    def build(content, measure_id="asc12", npis=None, change=lambda row: row):
        labels = {"better": "Better than expected", "worse": "Worse than expected"}
        rows = []
        for k, row in enumerate(content.rates.to_dict("records")):
            npi = row["facility_id"] if npis is None else npis[k]
            word = next((w for w in labels if w in row["category"].lower()), "")
            if "small" in row["category"].lower():
                cells = samples.too_small()
            else:
                row = change(row)
                shown = [f"{row[name]:.1f}" for name in ("rate", "lower", "upper")]
                label = labels.get(word, "No different than expected")
                cells = samples.result(row["cases"], *shown, category=label)
            rows.append(samples.facility(k + 1, npi=npi, **{measure_id: cells}))
        return read(rows)

    return build


def test_a_run_beside_itself(make_report, publish):
    content = make_report("ASC-12", 200)
    found = compare_published(content, publish(content), national_rate=content.comparator)
    n = int((content.rates["cases"] >= 30).sum())
    assert len(found.facilities) == found.this_run.n_scored == found.published.n_scored == n
    assert found.facilities["difference"].abs().max() <= 0.05 + 1e-9
    assert found.rank_correlation > 0.99
    assert found.n_same_category == found.n_both_categories == n
    assert found.this_run.median_cases == found.published.median_cases
    assert found.this_run.categories == found.published.categories
    assert found.this_run.log_sd == pytest.approx(found.published.log_sd, rel=0.03)
    assert found.this_run.form.tau == pytest.approx(found.published.form.tau, rel=0.03)
    assert not any("times their published cases" in reason for reason in found.reasons)
    assert "spread about as much as published ones" in " ".join(found.sentences)


def test_the_interval_form_finds_the_spread_of_the_run(make_report, publish):
    content = make_report("ASC-12", 300)
    found = compare_published(content, publish(content))
    assert found.this_run.form.tau == pytest.approx(0.25, rel=0.05)
    assert found.this_run.form.n == found.this_run.n_scored


def test_figures_of_both_sides(make_report, publish):
    content = make_report("ASC-17", 80)
    found = compare_published(content, publish(content, "asc17"))
    scored = content.rates[content.rates["cases"] >= 35]
    assert found.unit == "visits per 100 procedures"
    assert found.this_run.quantiles["median"] == pytest.approx(np.median(scored["rate"]))
    assert found.this_run.quantiles["95 %"] == pytest.approx(np.quantile(scored["rate"], 0.95))
    assert found.this_run.log_sd == pytest.approx(np.std(np.log(scored["rate"]), ddof=1))
    assert found.this_run.median_factor == pytest.approx(np.median(scored["upper"] / scored["lower"]))
    assert found.this_run.categories["too few cases"] == len(content.rates) - len(scored)
    assert (found.national.value, found.national.origin) == (2.2, "published")
    rows = {what: (ours, theirs) for what, ours, theirs in found.summary_rows}
    assert rows["Median score"][0] == f"{np.median(scored['rate']):.1f}"
    assert rows["National value, visits per 100 procedures"][1] == "2.20"
    assert rows["Facilities: too few cases"][0] == rows["Facilities: too few cases"][1]
    assert all(isinstance(cell, str) and cell for row in found.summary_rows for cell in row)


def test_plot_data_has_every_score_once(make_report, publish):
    content = make_report("ASC-12", 40)
    found = compare_published(content, publish(content))
    assert found.plot_data.columns.tolist() == ["score", "source"]
    sizes = found.plot_data["source"].value_counts().to_dict()
    assert sizes == {"this run": found.this_run.n_scored, "published": found.published.n_scored}


def test_reasons_that_the_data_show(make_report, publish):
    content = make_report("ASC-12", 120)
    published = publish(content, change=lambda row: {**row, "cases": row["cases"] * 4, "rate": row["rate"] * 1.2})
    found = compare_published(content, published)
    assert "Matched facilities have 0.25 times their published cases here (median)" in found.reasons[0]
    assert any("data year 2022" in reason and content.period in reason for reason in found.reasons)
    assert any("partly reconstructed" in reason for reason in found.reasons)
    assert found.sentences[-len(found.reasons) :] == found.reasons
    other = make_report("ASC-12", 120, model={**content.model, "tau": 0.9})
    reasons = compare_published(other, publish(content)).reasons
    assert "Facilities differ more in the model of this run (tau 0.90) than published intervals imply" in reasons[0]


def test_no_facility_in_both(make_report, publish):
    content = make_report("ASC-12", 40)
    found = compare_published(content, publish(content, npis=[f"{2_000_000_000 + k}" for k in range(40)]))
    assert found.facilities.empty
    assert np.isnan(found.rank_correlation)
    assert any("No facility of this run has a published score" in text for text in found.sentences)


@pytest.mark.parametrize("n_matched", [1, 2])
def test_one_or_two_facilities_in_both(make_report, publish, n_matched):
    content = make_report("ASC-12", 40)
    scored = np.flatnonzero(content.rates["cases"].to_numpy() >= 30)[:n_matched]
    npis = [f"{2_000_000_000 + k}" for k in range(40)]
    for k in scored:
        npis[k] = content.rates["facility_id"].iloc[k]
    found = compare_published(content, publish(content, npis=npis))
    text = " ".join(found.sentences)
    assert len(found.facilities) == n_matched
    assert ("1 facility has a score in both; the two differ by 0.0" in text) == (n_matched == 1)
    assert ("2 facilities have a score in both" in text) == (n_matched == 2)
    assert "nan" not in text


def test_a_run_on_another_scale_is_put_on_the_published_one(make_report, publish):
    ratio = make_report("ASC-19", 80)
    percent = make_report("ASC-19", 80, measure=load_measure("ASC-19", options={"scale": "percent"}))
    published = publish(ratio, "asc19")
    found = compare_published(percent, published)
    assert found.unit == "predicted over expected visits"
    assert found.this_run.national == found.published.national == 1.0
    merged = percent.rates.merge(found.facilities, left_on="facility_id", right_on="npi")
    assert len(merged) > 20
    assert merged["this run"].to_numpy() == pytest.approx(merged["ratio"].to_numpy())


def test_public_profile_uses_only_what_it_may_show(make_report, publish):
    content = make_report("ASC-12", 150)
    published = publish(content)
    full, public = (compare_published(content, published, profile=p) for p in ("facility", "public"))
    assert 0 < public.this_run.n_scored < full.this_run.n_scored
    assert set(public.facilities["npi"]) < set(full.facilities["npi"])
    shown = public.facilities.merge(content.rates, left_on="npi", right_on="facility_id")
    assert not shown["observed"].between(1, 10).any()


def test_public_profile_hides_the_national_value_with_the_facilities(make_report, publish):
    content = make_report("ASC-12", 40)
    rates = content.rates.assign(observed=0)
    rates.loc[0, "observed"] = 4
    few = make_report("ASC-12", 40, rates=rates)
    found = compare_published(few, publish(content), profile="public")
    rows = {what: ours for what, ours, _ in found.summary_rows}
    assert found.this_run.n_scored == 0
    assert rows["National value, visits per 1,000 colonoscopies"] == SUPPRESSED
    assert f"{few.comparator:.2f}" not in " ".join(found.sentences)


def test_run_without_intervals_or_categories(make_report, make_rates, publish):
    content = make_report("ASC-12", 60)
    published = publish(content)
    rates = content.rates.assign(lower=np.nan, upper=np.nan)
    rates["category"] = rates["category"].where(rates["cases"] < 30, None)
    found = compare_published(make_report("ASC-12", 60, rates=rates), published)
    assert found.this_run.form is None
    assert found.n_both_categories == 0
    assert "There are too few intervals in this run to tell how wide they are for their cases." in found.sentences
    assert not any(re.search(r"\bnan\b", text) for text in found.sentences)


def test_the_order_of_facilities_does_not_matter(make_report, publish):
    content = make_report("ASC-12", 60)
    published = publish(content)
    turned = make_report("ASC-12", 60, rates=content.rates.iloc[::-1].reset_index(drop=True))
    first, again = compare_published(content, published), compare_published(turned, published)
    assert first.sentences == again.sentences
    assert first.summary_rows == again.summary_rows
    pd.testing.assert_frame_equal(first.facilities, again.facilities)
    pd.testing.assert_frame_equal(first.plot_data, again.plot_data)


def test_bad_input(make_report, publish, samples, read):
    content = make_report("ASC-12", 40)
    with pytest.raises(InputError, match="without rates"):
        compare_published(make_report("ASC-12", rates=None), publish(content))
    with pytest.raises(InputError, match="no score of ASC-12"):
        compare_published(content, read([samples.facility(asc12=samples.too_small())]))
    with pytest.raises(InputError, match="profile"):
        compare_published(content, publish(content), profile="everyone")  # type: ignore[arg-type]


def test_rank_correlation_against_scipy():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 9, 50).astype(float), rng.normal(size=50)
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic)
    assert np.isnan(rank_correlation(first[:2], second[:2]))
    assert np.isnan(rank_correlation(np.ones(9), second[:9]))
