"""A run in memory, with simulated numbers that hang together as those of a real run do."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from riskstd.report import IntervalFacts, ReportInput
from riskstd.spec import fidelity_of, load_measure

VOID = {"meta", "img", "br", "hr", "link", "input"}
STEPS = (
    ("raw input", "claims layout", "claim line"),
    ("facility line with a qualifying code", "manual p. 1-15", "claim line"),
)


def make_rates(measure: Any, n: int, seed: int, *, spread: float = 0.25, rate: float = 0.02) -> pd.DataFrame:
    """Facilities with known spread; scores and intervals by the closed form."""
    rng = np.random.default_rng(seed)
    cases = np.maximum(1, rng.lognormal(5.2, 1.3, n)).astype(np.int64)
    expected = np.clip(rate * rng.normal(1, 0.1, n), rate / 3, None)
    observed = rng.binomial(cases, np.clip(expected * np.exp(rng.normal(0, spread, n)), 0, 0.9))
    information = cases * expected * (1 - expected)
    reliability = spread**2 * information / (1 + spread**2 * information)
    ratio = np.exp(reliability * np.log((observed + 1) / (cases * expected + 1)))
    scale = {"per_1000": 1000.0, "percent": 100.0, "ratio": 1.0}[measure.scale.kind]
    national = observed.sum() / cases.sum()
    factor = 1.0 if measure.scale.kind == "ratio" else national * scale
    half = 1.96 / np.sqrt(information * ratio + spread**-2)
    lower, upper = ratio * np.exp(-half) * factor, ratio * np.exp(half) * factor
    categories = measure.definition.score.categories
    category = np.full(n, categories.labels.no_different, dtype=object)
    category[upper < factor] = categories.labels.better
    category[lower > factor] = categories.labels.worse
    category[cases < categories.minimum_cases] = categories.labels.too_few
    crude = observed / (cases * expected) if measure.scale.kind == "ratio" else observed / cases * scale
    return pd.DataFrame(
        {
            "facility_id": [f"{1_000_000_000 + 7919 * k}" for k in range(n)],
            "cases": cases,
            "observed": observed,
            "observed_rate": crude,
            "predicted": expected * ratio,
            "expected": expected,
            "ratio": ratio,
            "rate": ratio * factor,
            "lower": lower,
            "upper": upper,
            "category": category,
            "reliability": reliability,
            "effect": np.log(ratio),
            "effect_se": half / 1.96,
        }
    )


def make_visits(outcome: np.ndarray, seed: int) -> pd.DataFrame:
    """One visit that counts for every event, and some that do not count."""
    rng = np.random.default_rng(seed + 1)
    events = np.flatnonzero(outcome)
    others = rng.permutation(len(outcome))[: max(3, len(events) // 4)] if len(outcome) else events[:0]
    procedure = np.concatenate([events, others])
    kind = rng.choice(["ed", "observation", "inpatient"], len(procedure), p=[0.5, 0.1, 0.4])
    counted = np.arange(len(procedure)) < len(events)
    kind[~counted] = "inpatient"
    rule = np.where(
        kind == "inpatient",
        rng.choice(["PA4", "no_planned_procedure"], len(kind)),
        "never_planned_visit_type",
    )
    rule = np.where(counted, rule, rng.choice(["PA1", "PA2", "PA3"], len(kind), p=[0.05, 0.15, 0.8]))
    return pd.DataFrame(
        {
            "procedure_id": procedure,
            "visit_type": kind,
            "start_date": pd.Timestamp("2023-05-01").date(),
            "days_after": rng.integers(0, 8, len(procedure)),
            "planned": ~counted,
            "planned_rule": rule,
            "counted": counted,
            "not_counted_because": np.where(counted, None, "planned"),
            "facility_visited": "050001",
            "principal_diagnosis": "K922",
            "claim_id": [f"SECRET{k}" for k in range(len(procedure))],
        }
    )


def make_attrition(measure: Any, n_cases: int, excluded: list[int] | None = None) -> pd.DataFrame:
    """Two steps on claim lines, then one step per exclusion."""
    rules = [clause.id for clause in measure.exclusions]
    excluded = excluded or [31 * (k + 2) ** 2 for k in range(len(rules))]
    excluded = (excluded + [0] * len(rules))[: len(rules)]
    candidates = n_cases + sum(excluded)
    rows = [
        (*STEPS[0], 9_000_000 + candidates, 0),
        (*STEPS[1], 9_000_000 + candidates, 9_000_000),
    ]
    before = candidates
    for rule, count in zip(rules, excluded, strict=True):
        rows.append((rule, "manual p. 1-16", "procedure", before, count))
        before -= count
    return pd.DataFrame(
        [
            {
                "step": k,
                "rule": rule,
                "source": source,
                "procedures_before": start,
                "excluded": count,
                "procedures_after": start - count,
                "unit": unit,
            }
            for k, (rule, source, unit, start, count) in enumerate(rows)
        ]
    )


def make_model(**changes: Any) -> dict[str, Any]:
    """A model as written to `model.json`."""
    rng = np.random.default_rng(3)
    names = (
        "Age (years over 65)",
        "Heart failure",
        "Chronic lung disease",
        "Diabetes",
        "Dementia",
        "Work RVU",
    )
    coefficients = []
    for k, name in enumerate(names):
        beta, se = float(rng.normal(0.25, 0.2)), 0.05 + 0.02 * k
        share = {"mean": 7.4} if name.startswith(("Age", "Work")) else {"prevalence": 0.04 * k}
        odds = {
            "odds_ratio": np.exp(beta),
            "lower": np.exp(beta - 1.96 * se),
            "upper": np.exp(beta + 1.96 * se),
        }
        coefficients.append({"factor": f"factor_{k}", "label": name, "beta": beta, "se": se, **odds, **share})
    model: dict[str, Any] = {
        "method": "agq, 7 nodes",
        "mu": -4.1,
        "tau": 0.25,
        "coefficients": coefficients,
        "log_likelihood": -10234.5,
        "converged": True,
        "singular": False,
        "counts": {},
        "dropped": [{"factor": "transplant", "label": "Transplant", "reason": "3 cases have it and none had a visit"}],
        "warnings": [],
    }
    return {**model, **changes}


def make_report(
    measure_id: str = "ASC-12",
    n_facilities: int = 60,
    seed: int = 1,
    excluded: list[int] | None = None,
    **changes: Any,
) -> ReportInput:
    """A run of a measure with simulated numbers; `changes` replace fields of `ReportInput`."""
    measure = changes.pop("measure", None) or load_measure(measure_id)
    rates = changes.pop("rates", "make")
    if isinstance(rates, str):
        rates = make_rates(measure, n_facilities, seed)
    n_cases = changes.pop("n_cases", int(rates["cases"].sum()) if rates is not None else 40)
    n_events = changes.pop("n_events", int(rates["observed"].sum()) if rates is not None else 2)
    outcome = np.zeros(n_cases, dtype=np.int32)
    outcome[np.random.default_rng(seed).permutation(n_cases)[:n_events]] = 1
    results: dict[str, Any] = {"no_model_reason": "2 facilities have a visit; a model needs 10."}
    if rates is not None:
        interval = IntervalFacts("bootstrap", replicates=2000, dropped=3, seed=11)
        results = {
            "rates": rates,
            "model": make_model(),
            "interval": interval,
            "national_rate": n_events / max(n_cases, 1),
        }
    fields: dict[str, Any] = {
        "measure": measure,
        "period": "1 January 2023 to 31 December 2024",
        "version": "0.1.0",
        "seed": 11,
        "fidelity": fidelity_of(measure),
        "layout": "CCW base and line files",
        "attrition": make_attrition(measure, n_cases, excluded),
        "visits": make_visits(outcome, seed),
        "outcomes": pd.DataFrame({"procedure_id": np.arange(n_cases), "outcome": outcome}),
        "n_cases": n_cases,
        "statements": ("the claims have no bill type, so every outpatient claim may show a visit",),
        "notes": ("1,204 diagnosis codes are newer than the map",),
        "unmapped_codes": {
            "diagnosis codes without a category": 1204,
            "procedure codes without a work RVU": 4,
        },
        "run_facts": {"Engine": "DuckDB 1.4", "Input": "professional.parquet, SHA-256 ab12cd34"},
        **results,
        **changes,
    }
    return ReportInput(**fields)


class Outline(HTMLParser):
    """Reads a page, checks that tags close in order, and keeps what tests ask about."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.faults: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.captions: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        self.faults += [f"never closed: {tag}" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
            self.captions.append("")
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"th", "td"}:
            self.tables[-1][-1].append("")
        if tag == "p" and "p" in self.open:
            self.faults.append("p inside p")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"{tag} closed out of order at {self.getpos()}")

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data
        if "caption" in self.open:
            self.captions[-1] += data
        elif "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def table(self, caption: str) -> list[list[str]]:
        return next(t for t, c in zip(self.tables, self.captions, strict=True) if c.startswith(caption))


@pytest.fixture
def outline() -> type[Outline]:
    return Outline


@pytest.fixture(name="make_report")
def make_report_fixture() -> Callable[..., ReportInput]:
    return make_report


@pytest.fixture(name="make_rates")
def make_rates_fixture() -> Callable[..., pd.DataFrame]:
    return make_rates


@pytest.fixture(name="make_model")
def make_model_fixture() -> Callable[..., dict[str, Any]]:
    return make_model


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without figures, where a test asks about text only."""
    monkeypatch.setattr("riskstd.report.national.page.make_plots", lambda *_, **__: [])
