"""The truth of a delivery: verdicts, visits, outcomes, risk factors, and the model behind them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy.special import expit

from riskstd.synth.facilities import Facilities
from riskstd.synth.factors import risk_factors
from riskstd.synth.facts import KEY, Facts, candidates_of, facts_of
from riskstd.synth.files import dates, texts, without_dictionaries, write_table
from riskstd.synth.outcomes import linear_predictor, relevant_diagnoses
from riskstd.synth.plan import VISIT_TYPES, kept
from riskstd.synth.profile import MeasureProfile
from riskstd.synth.verdicts import excluded_by, outcomes_of, visits_of
from riskstd.synth.world import World

_NAMED = ["measure", "person_id", "facility_id", "procedure_date"]


@dataclass(frozen=True)
class MeasureTruth:
    """What is true of one measure: rows of `index` and `excluded` by position."""

    profile: MeasureProfile
    index: pd.DataFrame
    excluded: pd.DataFrame
    visits: pd.DataFrame
    outcome: np.ndarray
    factors: pd.DataFrame


def find_truth(world: World) -> list[MeasureTruth]:
    """Keep the books on everything planned, measure by measure."""
    facts = facts_of(world.plan, world.people, relevant=relevant_diagnoses(world))
    return [_measure_truth(world, profile, facts) for profile in world.profiles]


def _measure_truth(world: World, profile: MeasureProfile, facts: Facts) -> MeasureTruth:
    book = world.books[profile.id]
    candidates = candidates_of(book, facts)
    predictor = world.mu[profile.id] + linear_predictor(world, profile, facts, candidates)
    candidates = candidates.assign(linear_predictor=predictor, probability=expit(predictor))
    reason = excluded_by(book, facts, candidates)
    out = pd.notna(reason)
    index = kept(candidates, ~out)
    excluded = kept(candidates, out).assign(excluded_by=reason[out])
    visits = visits_of(book, facts, index)
    outcome = outcomes_of(index, visits)
    return MeasureTruth(profile, index, excluded, visits, outcome, risk_factors(book, facts, index))


def events_as_drawn(world: World, truth: MeasureTruth) -> tuple[int, int]:
    """Return how many simulated index procedures there are, and how many have another outcome than drawn."""
    drawn = world.drawn.get(truth.profile.id)
    if drawn is None:
        return 0, 0
    both = truth.index[KEY].assign(outcome=truth.outcome).merge(drawn, on=KEY)
    return len(both), int(np.count_nonzero(both["outcome"].to_numpy() != both["event"].to_numpy()))


# ---- files ------------------------------------------------------------------------------------


def write_truth(world: World, truths: list[MeasureTruth], folder: Path, *, block: int | None = None) -> None:
    """Write the truth as Parquet tables, numbered if of a block; a whole world with effects and coefficients."""
    if block is None:
        write_model(world.profiles, world.facilities, world.plan.vocabulary.texts, world.mu, folder)
    suffix = "" if block is None else f"_{block:04d}"
    for name, part in (
        ("index_procedures", [_procedures(world, t, t.index) for t in truths]),
        ("excluded_procedures", [_procedures(world, t, t.excluded) for t in truths]),
        ("hospital_visits", [_visits(world, t) for t in truths]),
        ("outcomes", [_outcomes(world, t) for t in truths]),
    ):
        write_table(pa.concat_tables([without_dictionaries(p) for p in part]), folder, name + suffix, "parquet")
    for truth in truths:
        columns = _named(world, truth, truth.index)
        del columns["measure"]
        columns |= {name: pa.array(truth.factors[name].to_numpy()) for name in truth.factors.columns}
        name = f"risk_factors_{truth.profile.id}{suffix}"
        write_table(without_dictionaries(pa.table(columns)), folder, name, "parquet")


def write_model(
    profiles: list[MeasureProfile],
    facilities: Facilities,
    names: list[str],
    mu: dict[str, float],
    folder: Path,
) -> None:
    """Write facility effects and coefficients; `names` are the texts that facility numbers stand for."""
    write_table(_facilities(profiles, facilities, names), folder, "facilities", "parquet")
    _write_coefficients(profiles, mu, folder)


def _named(world: World, truth: MeasureTruth, rows: pd.DataFrame) -> dict[str, pa.Array]:
    """Return the columns that say which procedure a row is about."""
    return {
        "measure": pa.array([truth.profile.id] * len(rows), pa.string()),
        "person_id": pa.array(world.people.person_id[rows["person"].to_numpy()].tolist(), pa.string()),
        "facility_id": texts(rows["facility"].to_numpy(), world.plan.vocabulary),
        "procedure_date": dates(rows["day"].to_numpy()),
    }


def _procedures(world: World, truth: MeasureTruth, rows: pd.DataFrame) -> pa.Table:
    columns = _named(world, truth, rows) | {
        "codes": pa.array(rows["codes"].tolist(), pa.string()),
        "index_code": texts(rows["index_code"].to_numpy(), world.plan.vocabulary),
        "work_rvu": pa.array(rows["work_rvu"].to_numpy()),
        "qualifying_procedures": pa.array(rows["qualifying_procedures"].to_numpy(), pa.int32()),
        "age_years": pa.array(rows["age_years"].to_numpy(), pa.int32(), mask=rows["age_years"].to_numpy() < 0),
        "linear_predictor": pa.array(rows["linear_predictor"].to_numpy()),
        "probability": pa.array(rows["probability"].to_numpy()),
    }
    if "excluded_by" in rows:
        columns["excluded_by"] = pa.array(rows["excluded_by"].tolist(), pa.string())
    return pa.table(columns)


def _visits(world: World, truth: MeasureTruth) -> pa.Table:
    visits = truth.visits
    procedure = truth.index.iloc[visits["row"].to_numpy()]
    reason = visits["not_counted_because"].tolist()
    columns = _named(world, truth, procedure) | {
        "visit_type": pa.array([VISIT_TYPES[kind] for kind in visits["type"]], pa.string()),
        "start_date": dates(visits["start"].to_numpy()),
        "days_after": pa.array(visits["days_after"].to_numpy(), pa.int32()),
        "planned": pa.array(visits["planned"].to_numpy()),
        "planned_rule": texts(visits["rule"].to_numpy(), world.plan.vocabulary),
        "counted": pa.array(visits["counted"].to_numpy()),
        "not_counted_because": pa.array([text or None for text in reason], pa.string()),
        "facility_visited": texts(visits["ccn"].to_numpy(), world.plan.vocabulary),
        "principal_diagnosis": texts(visits["principal"].to_numpy(), world.plan.vocabulary),
    }
    keys = [*_NAMED, "start_date", "visit_type", "planned_rule", "facility_visited", "principal_diagnosis"]
    return without_dictionaries(pa.table(columns)).sort_by([(key, "ascending") for key in keys])


def _outcomes(world: World, truth: MeasureTruth) -> pa.Table:
    columns = _named(world, truth, truth.index)
    return pa.table(columns | {"outcome": pa.array(truth.outcome, pa.int32())})


def _facilities(profiles: list[MeasureProfile], facilities: Facilities, names: list[str]) -> pa.Table:
    """Return facility effects; facilities of edge cases have none."""
    parts = []
    for profile in profiles:
        rows = np.flatnonzero(facilities.weight[profile.id] > 0)
        parts.append(
            pa.table(
                {
                    "facility_id": pa.array([names[number] for number in facilities.npi[rows]], pa.string()),
                    "measure": pa.array([profile.id] * len(rows), pa.string()),
                    "effect": pa.array(facilities.effect[profile.id][rows]),
                }
            )
        )
    return pa.concat_tables(parts)


def _write_coefficients(profiles: list[MeasureProfile], mu: dict[str, float], folder: Path) -> None:
    content = {
        profile.id: {
            "mu": mu[profile.id],
            "beta": {name: profile.coefficients[name] for name in profile.measure.factor_columns},
            "tau": profile.tau,
        }
        for profile in profiles
    }
    (folder / "coefficients.json").write_text(json.dumps(content, indent=2) + "\n", "utf-8")
