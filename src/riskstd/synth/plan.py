"""The plan: everything the generator puts into claims, in its own terms and free of any dialect.

Text (codes, provider numbers) is kept as numbers of a vocabulary, days as days since
1 January 1970; `NONE` and `NO_DAY` are blanks. What is planned here is the truth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

NONE = -1
NO_DAY = int(np.iinfo(np.int32).min)
FIRST_YEAR, LAST_YEAR = 2021, 2024
MONTHS = 12 * (LAST_YEAR - FIRST_YEAR + 1)
ICD9 = "9|"
NEVER_PLANNED = "never_planned_visit_type"
VISIT_TYPES = ("ed", "observation", "inpatient")


# Columns of each part, with the value of a cell that a batch leaves out.
_CLAIM = {"claim": NONE, "person": NONE, "first": NO_DAY, "last": NO_DAY, "principal": NONE}
_BILL = {
    "ccn": NONE,
    "npi": NONE,
    "facility_type": NONE,
    "bill_class": NONE,
    "frequency": NONE,
    "nonpayment": NONE,
}
_DIAGNOSES = {"claim": NONE, "slot": 1, "code": NONE}
COLUMNS: dict[tuple[str, str], dict[str, int | bool]] = {
    ("carrier", "claims"): _CLAIM | {"claim_type": NONE, "payment": NONE, "billing": NONE, "void": False},
    ("carrier", "lines"): {
        "claim": NONE,
        "line": 1,
        "first": NO_DAY,
        "last": NO_DAY,
        "hcpcs": NONE,
        "mod1": NONE,
        "mod2": NONE,
        "type_of_service": NONE,
        "specialty": NONE,
        "place": NONE,
        "indicator": NONE,
        "diagnosis": NONE,
        "organization": NONE,
        "performing": NONE,
        "facility": NONE,
        "asc": False,
        "denied": False,
    },
    ("carrier", "diagnoses"): dict(_DIAGNOSES),
    ("outpatient", "claims"): _CLAIM | _BILL | {"void": False},
    ("outpatient", "lines"): {
        "claim": NONE,
        "line": 1,
        "revenue": NONE,
        "day": NO_DAY,
        "hcpcs": NONE,
        "mod1": NONE,
    },
    ("outpatient", "diagnoses"): dict(_DIAGNOSES),
    ("inpatient", "claims"): _CLAIM
    | _BILL
    | {"admission": NO_DAY, "discharge": NO_DAY, "status": NONE, "source": NONE, "void": False},
    ("inpatient", "lines"): {"claim": NONE, "line": 1, "revenue": NONE, "hcpcs": NONE},
    ("inpatient", "diagnoses"): dict(_DIAGNOSES),
    ("inpatient", "procedures"): {"claim": NONE, "slot": 1, "code": NONE, "day": NO_DAY},
    ("visits", "claims"): {
        "visit": NONE,
        "person": NONE,
        "type": 0,
        "start": NO_DAY,
        "end": NO_DAY,
        "rule": NONE,
        "principal": NONE,
        "ccn": NONE,
        "professional": False,
    },
    ("visits", "lines"): {"visit": NONE, "claim": NONE},
}


def day_of(year: int, month: int, day: int) -> int:
    """Return a date as days since 1 January 1970.

    Examples
    --------
    >>> day_of(1970, 1, 2)
    1
    """
    return (date(year, month, day) - date(1970, 1, 1)).days


def month_of(days: np.ndarray) -> np.ndarray:
    """Return the month of each day as months since January of the first year."""
    months = np.asarray(days, dtype="datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return months - 12 * (FIRST_YEAR - 1970)


def year_of(days: np.ndarray) -> np.ndarray:
    """Return the calendar year of each day."""
    return np.asarray(days, dtype="datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


def kept(frame: pd.DataFrame, mask: Any) -> pd.DataFrame:
    """Return the rows of a frame where a mask is true, numbered anew."""
    return frame.loc[np.asarray(mask, dtype=bool)].reset_index(drop=True)


def numbered(frame: pd.DataFrame, columns: list[str], row: str = "row") -> pd.DataFrame:
    """Return some columns of a frame, and the position of each row as one more."""
    return pd.DataFrame({row: np.arange(len(frame)), **{name: frame[name].to_numpy() for name in columns}})


def marked(n: int, positions: Any) -> np.ndarray:
    """Return a flag for each of n rows, true at the positions given."""
    flags = np.zeros(n, dtype=bool)
    flags[np.asarray(positions, dtype=np.int64)] = True
    return flags


class Vocabulary:
    """Texts by number; ICD-9 codes are kept apart from ICD-10 codes by a mark."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}
        self._is_frozen = False
        self._icd9 = np.empty(0, dtype=bool)

    def freeze(self) -> None:
        """Take no new text from now on, so that numbers never depend on what was drawn."""
        self._is_frozen = True

    def __call__(self, text: str) -> int:
        """Return the number of a text; blank text is `NONE`."""
        if not text:
            return NONE
        if text not in self._numbers:
            if self._is_frozen:
                raise KeyError("a frozen vocabulary takes no new text")
            self._numbers[text] = len(self.texts)
            self.texts.append(text)
        return self._numbers[text]

    def many(self, texts: Iterable[str]) -> np.ndarray:
        """Return the numbers of several texts."""
        return np.array([self(text) for text in texts], dtype=np.int32)

    def text(self, number: int) -> str | None:
        """Return the text of a number, None for a blank."""
        return None if number < 0 else self.texts[number]

    def is_icd9(self) -> np.ndarray:
        """Tell for every number whether it is an ICD-9 code."""
        if len(self._icd9) < len(self.texts):
            more = [text.startswith(ICD9) for text in self.texts[len(self._icd9) :]]
            self._icd9 = np.concatenate([self._icd9, np.array(more, dtype=bool)])
        return self._icd9.copy()


@dataclass
class People:
    """People and their monthly enrolment; one row per person, sorted by identifier."""

    person_id: np.ndarray
    birth: np.ndarray
    death: np.ndarray
    sex: np.ndarray
    has_record: np.ndarray
    buy_in: np.ndarray
    hmo: np.ndarray

    def __len__(self) -> int:
        return len(self.person_id)


@dataclass(frozen=True)
class CodeYear:
    """A code that begins or ends on a day: the code that holds before, and the one from then on."""

    code: int
    before: int
    after: int
    first_day: int


@dataclass
class Plan:
    """Claims, lines, diagnoses, procedures and visits as planned, batch by batch."""

    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    claims_planned: int = 0
    visits_planned: int = 0
    _batches: dict[tuple[str, str], list[dict[str, np.ndarray]]] = field(default_factory=dict)
    _dropped_claims: list[np.ndarray] = field(default_factory=list)
    _dropped_visits: list[np.ndarray] = field(default_factory=list)

    def new_claims(self, count: int) -> np.ndarray:
        """Return numbers for new claims."""
        first = self.claims_planned
        self.claims_planned += count
        return np.arange(first, first + count, dtype=np.int64)

    def new_visits(self, count: int) -> np.ndarray:
        """Return numbers for new visits."""
        first = self.visits_planned
        self.visits_planned += count
        return np.arange(first, first + count, dtype=np.int64)

    def add(self, kind: str, part: str, /, **columns: object) -> None:
        """Add rows; a single value holds for every row of the batch."""
        defaults = COLUMNS[kind, part]
        unknown = set(columns) - set(defaults)
        if unknown:
            raise KeyError(f"{kind} {part} has no column {sorted(unknown)}")
        rows = max(np.size(value) for value in columns.values())  # type: ignore[arg-type]
        if any(np.size(value) == 0 for value in columns.values()):  # type: ignore[arg-type]
            return
        batch = {
            name: np.broadcast_to(np.asarray(columns.get(name, default), dtype=_dtype(name, default)), (rows,))
            for name, default in defaults.items()
        }
        self._batches.setdefault((kind, part), []).append(batch)

    def add_diagnoses(self, kind: str, claim: np.ndarray, codes: np.ndarray) -> None:
        """Add the diagnoses of claims: `codes` of shape (claims, slots), blanks left out."""
        rows, columns = np.nonzero(codes >= 0)
        slots = np.cumsum(codes >= 0, axis=1)
        self.add(kind, "diagnoses", claim=claim[rows], slot=slots[rows, columns], code=codes[rows, columns])

    def columns(self, kind: str, part: str, *names: str) -> dict[str, np.ndarray]:
        """Return columns of a part so far (all if none is named), without dropped claims and visits."""
        defaults = COLUMNS[kind, part]
        batches = self._batches.get((kind, part), [])

        def joined(name: str) -> np.ndarray:
            if not batches:
                return np.empty(0, _dtype(name, defaults[name]))
            return np.concatenate([batch[name] for batch in batches])

        found = {name: joined(name) for name in names or defaults}
        for key, count, dropped in (
            ("claim", self.claims_planned, self._dropped_claims),
            ("visit", self.visits_planned, self._dropped_visits),
        ):
            gone = np.concatenate(dropped) if dropped else np.empty(0, np.int64)
            if len(gone) and key in defaults:
                stays = ~marked(count, gone)[found[key] if key in found else joined(key)]
                found = {name: values[stays] for name, values in found.items()}
                batches = []  # a second key would be joined without the first mask
                defaults = {name: defaults[name] for name in found}
        return found

    def frame(self, kind: str, part: str) -> pd.DataFrame:
        """Return all rows of a part so far, without dropped claims and visits."""
        return pd.DataFrame(self.columns(kind, part))

    def settle_code_years(self, years: list[CodeYear]) -> None:
        """Replace diagnosis codes by those that hold on the last day of their claim, in visits on their first."""
        changes = np.zeros(len(self.vocabulary.texts) + 1, dtype=bool)  # blanks mark the last place
        changes[[year.code for year in years]] = True
        last = np.zeros(self.claims_planned, dtype=np.int32)
        for kind in ("carrier", "outpatient", "inpatient"):
            claims = self.columns(kind, "claims", "claim", "last")
            last[claims["claim"]] = claims["last"]
        for (kind, part), batches in self._batches.items():
            for name in ("principal", "code", "diagnosis"):
                if name not in COLUMNS[kind, part] or part == "procedures":
                    continue
                for batch in batches:
                    rows = np.flatnonzero(changes[batch[name]])
                    day = batch["start"][rows] if kind == "visits" else last[batch["claim"][rows]]
                    codes, settled = batch[name].copy(), batch[name][rows]
                    for year in years:
                        own = codes[rows] == year.code
                        settled[own] = np.where(day[own] < year.first_day, year.before, year.after)
                    codes[rows] = settled
                    batch[name] = codes

    def drop_after_death(self, people: People) -> None:
        """Drop claims that begin after the day of death, with their visits."""
        for kind in ("carrier", "outpatient", "inpatient"):
            claims = self.columns(kind, "claims", "claim", "person", "first")
            death = people.death[claims["person"]]
            late = claims["claim"][(death != NO_DAY) & (claims["first"] > death)]
            links = self.columns("visits", "lines")
            self._dropped_visits.append(links["visit"][np.isin(links["claim"], late)])
            self._dropped_claims.append(late)


def _dtype(name: str, default: int | bool) -> type:
    if isinstance(default, bool):
        return np.bool_
    return np.int64 if name in ("claim", "visit") else np.int32
