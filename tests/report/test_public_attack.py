"""An attacker who has all that is published solves for every hidden count, and learns no more than its mark says.

He reads every table of the public page, the public files, the log of what is hidden and, where figures are
drawn, their data. He knows the definition of the measure, every sum that holds (steps of the attrition, parts and
totals, shares of a known whole within their rounding, facilities and the cohort), the rule of suppression and the
log, which says why each cell is hidden: a small one lies from 1 to 10, one below a small total from 0 to 10, one
hidden to protect others above 10. A hidden count of 1 to 10 is safe if the linear programs leave it
the whole range from 1 to 10, or all that the marks alone leave it, and at least two values. A facility that
knows its own numbers learns no more of another, unless all facilities are hidden.
"""

from __future__ import annotations

import csv
import io
import math
import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from riskstd.report import ReportInput, make_plots
from riskstd.report.cases import Cases, Factor
from riskstd.report.content import IntervalFacts, scale_factor
from riskstd.report.disclosure.public_export import public_files
from riskstd.report.national.page import build_page
from riskstd.report.published.directory import Directory, Entry
from riskstd.spec import fidelity_of, load_measure
from riskstd.spec.clauses import Interaction
from riskstd.spec.definition import columns_of

LIMIT = 10
KINDS = ("ed", "observation", "inpatient", "all")
COLUMNS = ("", ".counted", ".planned", ".part_of_admission", ".belongs_to_later_procedure")
RULES = ("PA1", "PA2", "PA3", "PA4", "no_planned_procedure", "missing_principal_diagnosis")
OUTCOMES = (
    "events",
    "most serious: inpatient",
    "most serious: observation",
    "most serious: ed",
    "non events",
    "cases",
)
COUNT_WORDS = (
    "cases",
    "with a visit",
    "before",
    "excluded",
    "after",
    "in the window",
    "counted",
    "admissions",
    "count",
)
MARK = "[c]"
FAR = 1e5


def whole(cell):
    """The whole number in a cell, or None."""
    text = cell.strip().replace(",", "")
    return int(text) if re.fullmatch(r"\d+", text) else None


class Attacker:
    """Everything that is published of a run, and what follows from it."""

    def __init__(self, content, outline):
        self.measure, self.rules = content.measure, list(content.attrition["rule"])
        self.terms = content.model["coefficients"] if content.model is not None else []
        self.outline = outline
        self.known, self.hidden, self.between = {}, set(), {}
        self.sums, self.orders, self.log = [], [], {}
        self.facilities, self.small_numbers = {}, []

    def tell(self, name, cell):
        """Take a cell that is printed under a name."""
        if (n := whole(cell)) is not None:
            assert self.known.setdefault(name, n) == n, f"two tables disagree on {name}"
        elif cell.strip() == MARK:
            self.hidden.add(name)

    def read_page(self, page):
        read = self.outline(page)
        tables = dict(zip(read.captions, read.tables, strict=True))
        find = lambda start: next((t[1:] for c, t in tables.items() if c.startswith(start)), [])  # noqa: E731
        self._attrition(find("Attrition"))
        self.tell("cases", next(c for c in read.captions if c.startswith("Attrition")).rpartition(": ")[2])
        self._visits(find("Outcome"), find("All visits"), find("Inpatient admissions"), find("Visits that count"))
        for row in find("What could"):
            self.tell(f"unmapped: {row[0]}".replace("_", " "), row[1])
        self._factors(find("Risk factors: odds"))
        self._groups(find("Calibration by tenth"), "tenth", None)
        subgroups = find("Calibration by subgroup")
        for by in dict.fromkeys(row[0] for row in subgroups):
            self._groups([row[1:] for row in subgroups if row[0] == by], by, by)
        for caption, table in tables.items():
            self._look_for_small(caption, table)
            if "With a visit" in table[0] and table[0][0].startswith("Facility"):
                self._facility_rows(table)

    def _attrition(self, table):
        last = None
        for rule, row in zip(self.rules, table, strict=True):
            before, excluded, after = (f"{rule.replace('_', ' ')}: {w}" for w in ("before", "excluded", "after"))
            after = "cases" if rule == self.rules[-1] else after
            for name, cell in zip((before, excluded, after), row[3:], strict=True):
                self.tell(name, cell)
            self.sums.append((before, (excluded, after)))
            if last is not None:
                self.sums.append((before, (last,)))
            last = after

    def _visits(self, outcomes, visits, rules, days):
        for name, row in zip(OUTCOMES, outcomes, strict=True):
            self.tell(name, row[1])
        self.sums += [("cases", ("events", "non events")), ("events", OUTCOMES[1:4])]
        for name, row in zip(OUTCOMES, outcomes, strict=True):
            self._share(name, row[2])
        for kind, row in zip(KINDS, visits, strict=True):
            for column, cell in zip(COLUMNS, row[1:], strict=True):
                self.tell(f"visits: {kind}{column}".replace("_", " "), cell)
            self.sums.append((f"visits: {kind}", tuple(f"visits: {kind}{c}".replace("_", " ") for c in COLUMNS[1:])))
        for column in COLUMNS:
            name = column.replace("_", " ")
            self.sums.append((f"visits: all{name}", tuple(f"visits: {kind}{name}" for kind in KINDS[:3])))
        planned = []
        for rule, row in zip(RULES, rules, strict=True):
            self.tell(f"rule: {rule}".replace("_", " "), row[2])
            if row[1] == "planned":
                planned.append(f"rule: {rule}".replace("_", " "))
        self.sums.append(("visits: inpatient", tuple(f"rule: {rule}".replace("_", " ") for rule in RULES)))
        self.sums.append(("visits: inpatient.planned", tuple(planned)))
        for day, row in enumerate(days):
            for kind, cell in zip(KINDS, row[1:], strict=True):
                self.tell(f"day: {kind}.{day}", cell)
            self.sums.append((f"day: all.{day}", tuple(f"day: {kind}.{day}" for kind in KINDS[:3])))
        for kind in KINDS:
            self.sums.append((f"visits: {kind}.counted", tuple(f"day: {kind}.{d}" for d in range(len(days)))))
        for kind in KINDS[:3]:
            self.orders.append((f"most serious: {kind}", f"visits: {kind}.counted"))

    def _share(self, name, cell):
        """Take a share of all cases, in percent with one decimal."""
        match = re.fullmatch(r"(\d+\.\d) %", cell.strip())
        if match and "cases" in self.known:
            low, high = ((float(match[1]) + side) / 100 * self.known["cases"] for side in (-0.05, 0.05))
            self.between[name] = (max(0, math.ceil(low - 1e-9)), min(self.known["cases"], math.floor(high + 1e-9)))
        elif cell.strip() == MARK:
            self.hidden.add(name)

    def _factors(self, table):
        for term, row in zip(self.terms, table, strict=True):
            if "prevalence" in term:
                self._share(f"factor: {term['factor']}".replace("_", " "), row[1])
        has = {name for name in (*self.between, *self.hidden) if name.startswith("factor: ")}
        name = lambda column: f"factor: {column}".replace("_", " ")  # noqa: E731
        for factor in self.measure.factors:
            if classes := tuple(name(c) for c in columns_of(factor) if name(c) in has):
                self.sums.append(("cases", (*classes, f"reference {factor.name}")))
            if isinstance(factor, Interaction):
                of = {f.name: columns_of(f) for f in self.measure.factors}
                first, second = (of[side] for side in factor.factors)
                for columns, pair in ((first, lambda a, b: (a, b)), (second, lambda a, b: (b, a))):
                    for a in columns:
                        others = second if columns is first else first
                        cells = [name("{}_x_{}".format(*pair(a, b))) for b in others]
                        cells = tuple(cell for cell in cells if cell in has)
                        if cells and name(a) in has:
                            self.sums.append((name(a), (*cells, f"{a} without the other, {factor.name}")))

    def _groups(self, table, by, factor):
        """Take groups of cases that together are all cases."""
        parts = []
        for row in table:
            n, events = whole(row[1]), whole(row[2])
            names = [f"{by}: {label}" for label in row[0].split(" + ")]
            parts += names
            for what, value in ((" cases", n), (" events", events)):
                if value is not None:
                    self.known[f"{by}: {row[0]}{what}"] = value
                    self.sums.append((f"{by}: {row[0]}{what}", tuple(f"{name}{what}" for name in names)))
            self.sums += [(f"{name} cases", (f"{name} events", f"{name} others")) for name in names]
        if parts:
            self.sums += [
                ("cases", tuple(f"{p} cases" for p in parts)),
                ("events", tuple(f"{p} events" for p in parts)),
            ]
        for part in parts if factor else ():
            column = self._column_of(factor, part.removeprefix(f"{by}: "))
            if column is not None:
                self.sums.append((f"{part} cases", (f"factor: {column}".replace("_", " "),)))

    def _column_of(self, by, label):
        """The risk factor that marks a group."""
        word = label.replace(" to ", "_").replace(" and over", "_plus").replace(" and more", "_plus").replace(" ", "_")
        for factor in self.measure.factors:
            match = "age" if by == "Age in years" and factor.name == "age" else factor.label
            if match in (by, "age"):
                found = [c for c in columns_of(factor) if c == f"{factor.name}_{word}"]
                if label == "Yes" and columns_of(factor) == [factor.name]:
                    found = [factor.name]
                if found and any(t["factor"] == found[0] for t in self.terms):
                    return found[0]
        return None

    def _look_for_small(self, caption, table):
        """No column of counts of people or claims holds a number from 1 to 10."""
        columns = [k for k, name in enumerate(table[0]) if name.strip().lower() in COUNT_WORDS]
        for row in table[1:]:
            cells = [row[k] for k in columns if k < len(row)]
            self.small_numbers += [(caption, row[0]) for cell in cells if (n := whole(cell)) and 1 <= n <= LIMIT]

    def _facility_rows(self, table):
        head = [name.strip() for name in table[0]]
        for row in table[1:]:
            cells = dict(zip(head, row, strict=True))
            seen = {"cases": whole(cells["Cases"]), "events": whole(cells["With a visit"])}
            told = {k for k, v in seen.items() if v is not None}
            if seen["events"] is None:
                rest = [v for k, v in cells.items() if k not in {head[0], "Category", "Cases"}]
                assert set(rest) == {MARK}, "a hidden facility shows a number"
            known = self.facilities.setdefault(row[0], {"category": row[1]})
            known |= {k: seen[k] for k in told}

    def read_files(self, files):
        log = csv.DictReader(io.StringIO(files["suppression_log.csv"].decode()))
        self.log = {(row["table"], row["cell"].replace("_", " ")): row["rule"] for row in log}
        national = next(csv.DictReader(io.StringIO(files["ASC_National.csv"].decode())))
        name = self.measure.id
        self.tell("cases", national[f"{name} Total Cases"])
        rate = national[f"{name} Nat Rate"]
        if self.measure.scale.kind != "ratio" and "N/A" not in rate and "cases" in self.known:
            per = scale_factor(self.measure)
            low, high = ((float(rate) + side) / per * self.known["cases"] for side in (-0.005, 0.005))
            self.between["events"] = (max(0, math.ceil(low - 1e-9)), math.floor(high + 1e-9))
        for row in csv.DictReader(io.StringIO(files.get("ASC_Facility.csv", b"").decode())):
            known = self.facilities.setdefault(row["NPI"], {"category": row[f"{name} Performance Category"]})
            if (n := whole(row[f"{name} Total Cases"])) is not None:
                known["cases"] = n
                assert not 1 <= n <= LIMIT
            if "events" not in known:
                assert {row[f"{name} {what}"] for what in ("RSHV Rate", "Interval Lower Limit")} == {"N/A"}

    def read_figures(self, plots):
        for plot in plots:
            assert plot.svg is None
            data = plot.data
            if data is None:
                continue
            if plot.name == "visits_by_day":
                for row in data.to_dict("records"):
                    self.tell(f"day: {row['visit_type']}.{row['day']}", str(row["visits"]))
            for column in {"cases", "events", "visits", "before", "excluded", "after"} & set(data.columns):
                cells = [whole(str(value)) for value in data[column]]
                self.small_numbers += [(plot.name, column) for n in cells if n is not None and 1 <= n <= LIMIT]
            if "facility_id" in data.columns:
                told = {str(name) for name in data["facility_id"]}
                assert all("events" in self.facilities[name] for name in told), "a hidden facility is drawn"

    def rule_of(self, name):
        return next((rule for (_, cell), rule in self.log.items() if cell == name), None)

    def prepare(self, *, marks_only=False):
        """Set up the linear program; with marks only, shown counts above 10 are taken to be unknown."""
        names = sorted({n for total, parts in self.sums for n in (total, *parts)} | {n for o in self.orders for n in o})
        place = {name: k for k, name in enumerate(names)}
        bounds = []
        for name in names:
            low, high = self.between.get(name, (0, None))
            rule = self.rule_of(name) if name in self.hidden else None
            if name in self.known:
                low = high = self.known[name]
            elif rule is not None:
                few, many = {"primary": (1, LIMIT), "derived": (0, LIMIT), "complementary": (LIMIT + 1, None)}[rule]
                low = max(low, few)
                high = many if high is None else high if many is None else min(high, many)
            if marks_only and rule is None and low > LIMIT:
                low, high = LIMIT + 1, None
            elif marks_only and rule is None and name in self.between:
                low, high = (0, 0) if high == 0 else (0, None)
            bounds.append((low, high))
        equal = np.zeros((len(self.sums), len(names)))
        for k, (total, parts) in enumerate(self.sums):
            equal[k, place[total]] += 1
            for part in parts:
                equal[k, place[part]] -= 1
        order = np.zeros((len(self.orders), len(names)))
        for k, (lesser, greater) in enumerate(self.orders):
            order[k, place[lesser]], order[k, place[greater]] = 1, -1
        return place, bounds, equal, order

    def interval(self, name, system):
        """The least and the most that a count can be."""
        place, bounds, equal, order = system
        goal = np.zeros(len(place))
        goal[place[name]] = 1
        ends = []
        for sign in (1, -1):
            found = linprog(
                sign * goal,
                A_ub=order,
                b_ub=np.zeros(len(order)),
                A_eq=equal,
                b_eq=np.zeros(len(equal)),
                bounds=bounds,
                method="highs",
            )
            ends.append(sign * found.fun if found.status == 0 else sign * -FAR if found.status == 3 else None)
            assert ends[-1] is not None, f"what is published contradicts itself: {found.message}"
        return ends


def attack(attacker, truth, facilities):
    """What is told of small counts; `truth` holds all counts by name, `facilities` the cases and events of each."""
    told = [f"{caption}: {row}" for caption, row in attacker.small_numbers]
    system, marks = attacker.prepare(), None
    for name in sorted(name for name, n in truth.items() if 1 <= n <= LIMIT and name in system[0]):
        low, high = attacker.interval(name, system)
        if low <= 1 + 1e-6 and high >= LIMIT - 1e-6:
            continue
        marks = marks or attacker.prepare(marks_only=True)
        least, most = attacker.interval(name, marks)
        narrower = low > max(1, least) + 1e-6 or high < min(LIMIT, most) - 1e-6
        if narrower or math.floor(high + 1e-6) - math.ceil(low - 1e-6) < 1:
            told.append(f"{name} in {low:g} to {high:g}")
    return told + attack_facilities(attacker, facilities)


def attack_facilities(attacker, real):
    """Facilities whose cases or events follow from the sums over all."""
    told = []
    minimum = max(attacker.measure.definition.score.categories.minimum_cases, LIMIT + 1)
    for what in ("cases", "events"):
        if what not in attacker.known:
            continue
        hidden = [name for name, row in attacker.facilities.items() if what not in row]
        left = attacker.known[what] - sum(row.get(what, 0) for row in attacker.facilities.values())
        bounds = [facility_bounds(what, attacker.facilities[name], real[name], minimum) for name in hidden]
        if len(hidden) < len(attacker.facilities):
            told += [
                f"{what} of a facility to another"
                for k in range(len(hidden))
                if know_one(k, hidden, bounds, real, what)
            ]
        lows, highs = sum(low for low, _ in bounds), sum(high for _, high in bounds)
        for name, (low, high) in zip(hidden, bounds, strict=True):
            least, most = max(low, left - (highs - high)), min(high, left - (lows - low))
            if 1 <= real[name][what] <= LIMIT and (least > max(1, low) or most < min(LIMIT, high)):
                told.append(f"{what} of a facility in {least:g} to {most:g}")
            others = real[name]["cases"] - real[name]["events"]
            if what == "events" and "cases" in attacker.facilities[name] and 1 <= others <= LIMIT:
                told += [f"others of a facility in {least:g} to {most:g}"] * bool((least, most) != (low, high))
    if "events" not in attacker.known and any("events" in row for row in attacker.facilities.values()):
        told.append("visits of facilities although their sum is hidden")
    return told


def know_one(own, hidden, bounds, real, what):
    """Whether a facility that knows its own number learns of another one with a small number."""
    others = [k for k in range(len(hidden)) if k != own]
    left = sum(real[hidden[k]][what] for k in others)
    lows, highs = sum(bounds[k][0] for k in others), sum(bounds[k][1] for k in others)
    for k in others:
        low, high = bounds[k]
        if 1 <= real[hidden[k]][what] <= LIMIT and (
            left - (highs - high) > max(1, low) or left - (lows - low) < min(LIMIT, high)
        ):
            return True
    return False


def facility_bounds(what, shown, real, minimum):
    """What the attacker takes a hidden number of a facility to be; of visits he guesses right whether they are few."""
    too_few, sized = real["cases"] < minimum, "cases" in shown
    if what == "cases":
        return (1, minimum - 1) if too_few else (minimum, FAR)
    if too_few:
        return 0, minimum - 1
    events, others = real["events"], real["cases"] - real["events"]
    if events == 0:
        return 0, 0
    low, high = (1, LIMIT) if events <= LIMIT else (LIMIT + 1, FAR)
    if sized and others == 0:
        return events, events
    if sized and others <= LIMIT:
        return max(low, real["cases"] - LIMIT), min(high, real["cases"] - 1)
    return low, min(high, real["cases"] - LIMIT - 1) if sized else high


def real_counts(content, outline, cases=None):
    """Every count by name: from the page that hides nothing, and what follows from sums."""
    reader = Attacker(content, outline)
    reader.read_page(build_page(content, "facility", [], cases=cases))
    truth = dict(reader.known)
    for term in reader.terms:
        if "prevalence" in term:
            truth[f"factor: {term['factor']}".replace("_", " ")] = round(term["prevalence"] * content.n_cases)
    for total, parts in reader.sums:
        unknown = [part for part in parts if part not in truth]
        if total in truth and len(unknown) == 1:
            truth[unknown[0]] = truth[total] - sum(truth[part] for part in parts if part in truth)
    return truth


def attack_run(content, outline, cases=None, directory=None, *, figures=False):
    """Publish a run and attack it; what is told of small counts."""
    attacker = Attacker(content, outline)
    plots = make_plots(content, profile="public", cases=cases) if figures else []
    attacker.read_page(build_page(content, "public", plots, cases=cases))
    attacker.read_files(public_files(content, directory=directory))
    attacker.read_figures(plots)
    rows = content.rates.to_dict("records") if content.rates is not None else []
    facilities = {r["facility_id"]: {"cases": int(r["cases"]), "events": int(r["observed"])} for r in rows}
    return attack(attacker, real_counts(content, outline, cases), facilities)


@cache
def measure_of(name):
    measure = load_measure(name)
    return measure, fidelity_of(measure)


def random_run(seed, *, mean_cases=120.0):
    """A small run made at random whose tables fit together; and its cases."""
    rng = np.random.default_rng(seed)
    measure, fidelity = measure_of(("ASC-12", "ASC-17", "ASC-18", "ASC-19")[seed % 4])
    sizes = np.maximum(1, rng.lognormal(np.log(mean_cases), 1.2, rng.integers(1, 30))).astype(int).clip(max=1500)
    place = np.repeat(np.arange(len(sizes)), sizes)
    n = len(place)
    rate = rng.choice([0.003, 0.01, 0.02, 0.05, 0.3, 0.97], p=[0.15, 0.25, 0.25, 0.2, 0.1, 0.05])
    outcome = (rng.random(n) < rate).astype(np.int64)
    X, factors = random_factors(rng, measure, n)
    model = {
        "method": "agq",
        "mu": float(np.log(0.02)),
        "tau": 0.25,
        "log_likelihood": -100.0,
        "converged": True,
        "singular": False,
        "coefficients": [coefficient(factor, X[:, k]) for k, factor in enumerate(factors)],
    }
    expected = np.clip(rate * np.exp(0.3 * rng.normal(size=n)), 1e-4, 0.99)
    rates = random_rates(measure, sizes, np.bincount(place, weights=outcome).astype(int), rate)
    content = ReportInput(
        measure=measure,
        period="1 January 2023 to 31 December 2024",
        version="0.1.0",
        seed=1,
        fidelity=fidelity,
        layout="ccw",
        attrition=random_attrition(rng, measure, n),
        visits=random_visits(rng, outcome),
        outcomes=pd.DataFrame({"procedure_id": np.arange(n), "outcome": outcome}),
        n_cases=n,
        notes=("4 claims were skipped",),
        model=model,
        rates=rates,
        interval=IntervalFacts("bootstrap", replicates=200, seed=1),
        national_rate=float(outcome.mean()),
        unmapped_codes={"codes": int(rng.choice([0, 3, 10, 11]))},
    )
    names = rates["facility_id"].to_numpy()[place]
    age = 65 + rng.integers(0, 30, n)
    for low, high, column in ((70, 74, "age_70_74"), (75, 79, "age_75_79"), (80, 84, "age_80_84"), (85, 99, None)):
        flag = next((k for k, f in enumerate(factors) if f.name == (column or "age_85_plus")), None)
        if flag is not None:
            age = np.where(X[:, flag] > 0, low, np.where((age >= low) & (age <= high), 66, age))
    procedures = pd.DataFrame({"procedure_id": np.arange(n), "facility_id": names, "age_years": age})
    return content, Cases(procedures, content.visits, outcome, X, factors, expected, expected)


def coefficient(factor, x):
    mean = float(x.mean())
    told = {"prevalence": mean} if factor.is_flag else {"mean": mean}
    odds = {"odds_ratio": math.exp(factor.beta), "lower": 0.9, "upper": 1.4}
    return {"factor": factor.name, "label": factor.label, "beta": factor.beta, "se": 0.1, **odds, **told}


def random_factors(rng, measure, n):
    """Risk factors of the measure: classes without overlap, flags that are rare, common or nearly always there."""
    columns = {}
    for factor in measure.factors:
        names = columns_of(factor)
        if isinstance(factor, Interaction):
            a, b = ([c for c in columns if c in columns_of(f)] for f in measure.factors if f.name in factor.factors)
            columns |= {f"{i}_x_{j}": columns[i] * columns[j] for i in a for j in b}
        elif factor.kind in {"years_over", "work_rvu"}:
            columns[factor.name] = rng.integers(0, 25, n).astype(float) + 1.5
        elif len(names) > 1:
            share = rng.dirichlet(np.full(len(names) + 1, 0.4))
            drawn = rng.choice(len(names) + 1, n, p=share)
            columns |= {name: (drawn == k).astype(float) for k, name in enumerate(names)}
        elif len(columns) < 14 or factor.name == "arrhythmia":
            columns[factor.name] = (rng.random(n) < rng.choice([0.002, 0.01, 0.1, 0.4, 0.99])).astype(float)
    flags = {name: set(np.unique(x)) <= {0.0, 1.0} for name, x in columns.items()}
    factors = tuple(Factor(name, name.replace("_", " "), 0.1, flags[name]) for name in columns)
    return np.column_stack(list(columns.values())), factors


def random_rates(measure, sizes, events, rate):
    expected = np.full(len(sizes), rate)
    information = sizes * rate * (1 - rate)
    reliability = 0.0625 * information / (1 + 0.0625 * information)
    ratio = np.exp(reliability * np.log((events + 0.5) / (sizes * rate + 0.5)))
    half = 1.96 / np.sqrt(information + 16)
    factor = scale_factor(measure) * (1.0 if measure.scale.kind == "ratio" else events.sum() / sizes.sum())
    lower, upper = ratio * np.exp(-half), ratio * np.exp(half)
    categories = measure.definition.score.categories
    words = categories.labels
    category = np.select(
        [sizes < categories.minimum_cases, upper < 1, lower > 1],
        [words.too_few, words.better, words.worse],
        words.no_different,
    )
    return pd.DataFrame(
        {
            "facility_id": [f"{1_000_000_000 + 7919 * k}" for k in range(len(sizes))],
            "cases": sizes,
            "observed": events,
            "observed_rate": events / sizes * scale_factor(measure),
            "predicted": expected * ratio,
            "expected": expected,
            "ratio": ratio,
            "rate": ratio * factor,
            "lower": lower * factor,
            "upper": upper * factor,
            "category": category.astype(object),
            "reliability": reliability,
            "effect": np.log(ratio),
            "effect_se": half / 1.96,
        }
    )


def random_attrition(rng, measure, n):
    rules = ["claim_lines_read", *(clause.id for clause in measure.exclusions)]
    excluded = rng.choice([0, 1, 2, 9, 10, 11, 40, 700], len(rules), p=[0.3, 0.1, 0.1, 0.05, 0.1, 0.1, 0.15, 0.1])
    before = n + excluded[::-1].cumsum()[::-1]
    return pd.DataFrame(
        {
            "step": np.arange(len(rules)),
            "rule": rules,
            "source": "manual",
            "procedures_before": before,
            "excluded": excluded,
            "procedures_after": before - excluded,
            "unit": "procedure",
        }
    )


def random_visits(rng, outcome):
    """One or more visits that count for each event, and visits of any case that do not."""
    events = np.flatnonzero(outcome)
    again = events[rng.random(len(events)) < 0.15]
    others = rng.integers(0, len(outcome), rng.integers(0, 14 + len(events) // 3))
    procedure = np.concatenate([events, again, others])
    counted = np.arange(len(procedure)) < len(events) + len(again)
    kind = rng.choice(KINDS[:3], len(procedure), p=rng.dirichlet(np.ones(3)))
    why = rng.choice(["planned", "part_of_admission", "belongs_to_later_procedure"], len(procedure), p=[0.6, 0.2, 0.2])
    planned = ~counted & (why == "planned")
    kind = np.where(planned, "inpatient", kind)
    rule = np.where(planned, rng.choice(RULES[:3], len(kind)), rng.choice(RULES[3:], len(kind), p=[0.2, 0.75, 0.05]))
    return pd.DataFrame(
        {
            "procedure_id": procedure,
            "visit_type": kind,
            "start_date": pd.Timestamp("2023-05-01").date(),
            "days_after": rng.choice(8, len(procedure), p=rng.dirichlet(np.full(8, 0.7))),
            "planned": planned,
            "planned_rule": np.where(kind == "inpatient", rule, "never_planned_visit_type"),
            "counted": counted,
            "not_counted_because": np.where(counted, None, why),
            "facility_visited": "050001",
            "principal_diagnosis": "K922",
            "claim_id": "CLAIM",
        }
    )


def place_all(content):
    ids = content.rates["facility_id"]
    return Directory({npi: Entry(name=f"Center {k}", state=("MA", "NY", "TX")[k % 3]) for k, npi in enumerate(ids)})


@pytest.mark.parametrize("seed", range(25))
def test_small_runs_made_at_random_withstand_the_attack(seed, outline):
    content, cases = random_run(seed)
    assert attack_run(content, outline, cases, place_all(content)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25, 225))
def test_two_hundred_runs_made_at_random_withstand_the_attack(seed, outline):
    content, cases = random_run(seed, mean_cases=(8.0, 40.0, 120.0, 400.0)[seed // 4 % 4])
    assert attack_run(content, outline, cases) == []


@pytest.mark.parametrize("seed", range(300, 304))
def test_runs_of_tiny_facilities_withstand_the_attack(seed, outline):
    content, cases = random_run(seed, mean_cases=6.0)
    assert attack_run(content, outline, cases, place_all(content)) == []


def test_a_run_like_the_demo_withstands_the_attack_with_all_its_figures(outline):
    content, cases = random_run(3, mean_cases=500.0)
    assert attack_run(content, outline, cases, place_all(content), figures=True) == []


def test_the_attack_succeeds_without_complementary_suppression(outline, monkeypatch):
    def small_only(cells, totals, *, unprinted, **_):
        return frozenset(name for name, n in cells.items() if 1 <= n <= LIMIT and name not in unprinted)

    monkeypatch.setattr("riskstd.report.disclosure.counts.suppress", small_only)
    told = [attack_run(random_run(seed)[0], outline) for seed in range(6)]
    assert sum(map(bool, told)) >= 5
    ends = [re.search(r" in (\d+) to (\d+)$", name) for names in told for name in names]
    assert sum(end is not None and end[1] == end[2] for end in ends) >= 10


def test_the_attack_finds_facilities_that_sums_give_away(outline, monkeypatch):
    rates = random_rates(measure_of("ASC-17")[0], np.array([400, 900, 1000]), np.array([6, 30, 40]), 0.03)
    content, _ = random_run(1)
    fields = {name: getattr(content, name) for name in content.__dataclass_fields__}
    outcome = np.repeat([1, 0], [76, 2224])
    fields |= {
        "rates": rates,
        "n_cases": 2300,
        "outcomes": pd.DataFrame({"procedure_id": np.arange(2300), "outcome": outcome}),
        "attrition": random_attrition(np.random.default_rng(1), content.measure, 2300),
        "visits": random_visits(np.random.default_rng(1), outcome),
        "national_rate": 76 / 2300,
    }
    content = ReportInput(**fields)
    assert attack_run(content, outline) == []
    monkeypatch.setattr("riskstd.report.disclosure.facility_hiding.protect_sum", lambda _, hidden, **__: hidden)
    assert attack_run(content, outline) == ["events of a facility in 6 to 6"]
