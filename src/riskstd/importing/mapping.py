"""The mapping file of a data dictionary: which sheet and column means what."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from riskstd.errors import InputError


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    sheet: str
    header_row: int = Field(ge=1)
    code: str
    status: str = ""


class CodeList(_Closed):
    """Codes of a role in a code list of the definition."""

    meaning: Literal["code_list"]
    table: str
    role: str
    system: Literal["HCPCS", "ICD-10-CM", "ICD-10-PCS"]


class RiskVariable(_Closed):
    """Condition categories, or codes, of risk factors: a column of labels beside a column of values."""

    meaning: Literal["risk_categories", "risk_codes"]
    label: str
    factors: Mapping[str, str]


class ComplicationCategories(_Closed):
    """Condition categories that count only from history."""

    meaning: Literal["complication_categories"]


class PlannedList(_Closed):
    """One list of the planned admission algorithm."""

    meaning: Literal["planned_admission"]
    part: Literal["PA1", "PA2", "PA3", "PA4"]
    system: Literal["CCS", "ICD-10-CM", "ICD-10-PCS"]


class Ignored(BaseModel):
    """A sheet that is not read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    meaning: Literal["ignore"]
    sheet: str


ListMapping = Annotated[
    CodeList | RiskVariable | ComplicationCategories | PlannedList | Ignored, Field(discriminator="meaning")
]


class DictionaryMapping(BaseModel):
    """A mapping file: the measure, the years, and one list for each part of the workbook that is read."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    measure: str
    spec_year: int = Field(ge=2000, le=2100)
    service_years: str = ""
    list: tuple[ListMapping, ...] = Field(min_length=1)


def read_mapping(path: Path) -> DictionaryMapping:
    """Read and check a mapping file.

    Raises
    ------
    InputError
        When the file is not there or not valid: names the list and the key.
    """
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{path.name} cannot be read: {type(error).__name__}: {error}",
            expected="a mapping file",
            hint="draft one with --draft MAP.toml",
        ) from None
    try:
        return DictionaryMapping.model_validate(raw)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise InputError(
            f"{path.name}: {len(lines)} problem(s):\n  " + "\n  ".join(lines),
            expected="the keys of a mapping file (docs/definitions-folder.md)",
            hint="draft one with --draft MAP.toml and compare",
        ) from None
