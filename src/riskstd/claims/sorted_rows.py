"""Lines and diagnoses of a range of persons in the order of their keys."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from riskstd.claims.build import FIRST_ICD10_DAY, SETTINGS
from riskstd.claims.collected import CLAIM_TEXTS, LINE, LINES, ROLES, Collected
from riskstd.claims.ranges import Columns, row_order
from riskstd.claims.rowgroups import MISSING, Coded
from riskstd.tables import DIAGNOSES

_FIRST_ICD10 = int(np.datetime64(FIRST_ICD10_DAY, "D").astype(int))

Orders = dict[str, tuple[np.ndarray, pa.Array]]
"""By column: the place of each number among the sorted texts, and these."""


def sorted_range(
    collected: Collected, orders: Orders, number: int
) -> tuple[dict[str, dict[str, np.ndarray | Coded]], int]:
    """Sorted rows of a range by table, and how many claims have lines; the range is forgotten."""
    parts = {setting: collected.ranges.load(f"{setting}_claims", number) for setting in SETTINGS}
    claims = _ClaimsOfRange(parts, collected.width)
    tables, with_lines = {}, 0
    for setting in LINES:
        rows = collected.ranges.load(f"{setting}_lines", number)
        collected.ranges.forget(f"{setting}_lines", number)
        if rows:
            claim = claims.of_rows(setting, rows["claim_row"])
            with_lines += int(np.count_nonzero(np.bincount(claim)))
            tables[LINES[setting].name] = _sorted_lines(setting, rows, claim, claims, orders)
    rows = _sorted_diagnoses(collected, number, claims)
    if rows:
        place, texts = orders["code"]
        tables[DIAGNOSES.name] = rows | {"code": Coded(place[rows["code"]], texts)}
    return tables, with_lines


def _sorted_lines(
    setting: str, rows: Columns, claim: np.ndarray, claims: _ClaimsOfRange, orders: Orders
) -> dict[str, np.ndarray | Coded]:
    numbers = rows["line_number"].astype(np.int64)
    numbers[numbers == MISSING] = 1 << 31
    order = row_order(claims.person[claim], rows["day"], claims.rank[claim], numbers, rows["tie"])
    claim = claim[order]
    own = claim - np.int32(claims.start[setting])
    texts = {name: claims.parts[setting][name][own] for name in CLAIM_TEXTS[setting]}
    for name in LINES[setting].names:
        if name in rows and name != "line_number":
            texts[name] = rows[name][order]
    return {
        "person_key": claims.person[claim],
        "claim_id": claims.text(claim),
        "line_number": rows["line_number"][order],
        "line_date": rows["day"][order],
        **{name: Coded(orders[name][0][numbers], orders[name][1]) for name, numbers in texts.items()},
    }


def _sorted_diagnoses(collected: Collected, number: int, claims: _ClaimsOfRange) -> dict[str, np.ndarray | Coded]:
    parts = []
    for setting in SETTINGS:
        rows = collected.ranges.load(f"{setting}_diagnoses", number)
        collected.ranges.forget(f"{setting}_diagnoses", number)
        if rows:
            claim = rows["claim"] + np.int32(claims.start[setting])
            day = claims.day[claim]
            rows |= {"claim": claim, "day": day, "version": _icd_version(rows["version"], day)}
            parts.append(rows | {"setting": np.full(len(claim), sorted(SETTINGS).index(setting), np.int8)})
    rows = collected.ranges.load("line_diagnoses", number)
    collected.ranges.forget("line_diagnoses", number)
    if rows:
        parts.append(_line_diagnoses(rows, claims))
    if not parts:
        return {}
    names = ("claim", "day", "role", "position", "setting", "code", "version")
    rows = {name: np.concatenate([part.pop(name) for part in parts]) for name in names}
    tie = np.zeros(len(rows["claim"]), np.int32)
    repeated = parts[-1].get("repeated")
    if repeated is not None and repeated.any():
        places = np.flatnonzero(repeated) + len(tie) - len(repeated)
        _rank_repeated(rows, tie, places, collected.code("code").texts())
    claim = rows["claim"]
    order = row_order(
        claims.person[claim], rows["day"], claims.rank[claim], rows["role"], rows["position"], rows["setting"], tie
    )
    if tie.any():
        order = order[tie[order] >= 0]
    claim = claim[order]
    return {
        "person_key": claims.person[claim],
        "claim_id": claims.text(claim),
        "setting": Coded(rows["setting"][order].astype(np.int32), pa.array(sorted(SETTINGS)), fixed=True),
        "service_date": rows["day"][order],
        "role": Coded(rows["role"][order].astype(np.int32), pa.array(ROLES), fixed=True),
        "position": rows["position"][order],
        "code": rows["code"][order],
        "icd_version": rows["version"][order],
    }


def _line_diagnoses(rows: Columns, claims: _ClaimsOfRange) -> Columns:
    claim = claims.of_rows("professional", rows.pop("claim_row"))
    return rows | {
        "claim": claim,
        "role": np.full(len(claim), LINE, np.int8),
        "setting": np.full(len(claim), sorted(SETTINGS).index("professional"), np.int8),
        "version": _icd_version(rows["version"], rows["day"]),
    }


def _rank_repeated(rows: Columns, tie: np.ndarray, places: np.ndarray, codes: list[str]) -> None:
    """Order the diagnoses of lines that come more than once by their text; -1 for all but one of the same row."""
    code, version = rows["code"][places], rows["version"][places]
    texts = np.array([f"{codes[c]}{v}" for c, v in zip(code.tolist(), version.tolist(), strict=True)])
    tie[places] = np.unique(texts, return_inverse=True)[1] + 1
    whole = np.stack([*(rows[n][places].astype(np.int64) for n in ("claim", "day", "position", "code", "version"))], 1)
    once = np.zeros(len(places), bool)
    once[np.unique(whole, axis=0, return_index=True)[1]] = True
    tie[places[~once]] = -1


class _ClaimsOfRange:
    """Claims of a range of all settings, with their place in order of person and claim identifier."""

    def __init__(self, parts: dict[str, Columns], width: int) -> None:
        self.parts = parts
        some = [part for part in parts.values() if part]
        sizes = [len(part["row"]) if part else 0 for part in parts.values()]
        self.start = dict(zip(parts, np.cumsum([0, *sizes[:-1]]).tolist(), strict=True))
        self.person = np.concatenate([part["person"] for part in some] or [np.empty(0, np.int32)])
        self.day = np.concatenate([part["day"] for part in some] or [np.empty(0, np.int32)])
        texts = np.concatenate([part["claim_id"] for part in some] or [np.empty(0, f"S{width}")])
        order = np.lexsort([*_words(texts)[::-1], self.person])
        persons, self.texts = self.person[order], texts[order]
        new = np.ones(len(order), bool)
        new[1:] = (persons[1:] != persons[:-1]) | (self.texts[1:] != self.texts[:-1])
        self.texts = self.texts[new]
        self.place = np.empty(len(order), np.int32)
        self.place[order] = np.cumsum(new) - 1
        starts = np.flatnonzero(np.diff(persons, prepend=-1))
        first = self.place[order[starts]]
        self.rank = np.empty(len(order), np.int32)
        self.rank[order] = self.place[order] - np.repeat(first, np.diff([*starts, len(order)]))

    def of_rows(self, setting: str, rows: np.ndarray) -> np.ndarray:
        """Number of the claim of a setting that has a row."""
        known = self.parts[setting]["row"]
        sorter = None if (np.diff(known) > 0).all() else np.argsort(known)
        found = np.searchsorted(known, rows, sorter=sorter)
        return (found if sorter is None else sorter[found]).astype(np.int32) + np.int32(self.start[setting])

    def text(self, claims: np.ndarray) -> np.ndarray:
        """Return the identifiers of claims."""
        return self.texts[self.place[claims]]


def _words(texts: np.ndarray) -> list[np.ndarray]:
    """Fixed-width bytes as whole numbers that sort as they do, the first first."""
    width = -(-texts.dtype.itemsize // 8) * 8
    raw = np.zeros((len(texts), width), np.uint8)
    raw[:, : texts.dtype.itemsize] = texts.view(np.uint8).reshape(len(texts), texts.dtype.itemsize)
    words = raw.view(">u8").astype(np.uint64)
    return [words[:, n] for n in range(words.shape[1])]


def _icd_version(version: np.ndarray, day: np.ndarray) -> np.ndarray:
    by_day = np.where(day >= _FIRST_ICD10, np.int8(10), np.int8(9))
    return np.where(version == 0, by_day, version)
