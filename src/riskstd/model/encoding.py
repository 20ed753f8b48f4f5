"""How the right side of a formula becomes risk factors, in the fit and on new tables.

A formula is read as columns and known functions, never as free code, so that a formula kept in a
file can be used again without trust in the file.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from riskstd.errors import FitError
from riskstd.model.cells import FloatArray
from riskstd.model.frames import Table
from riskstd.model.inputs import read_factors

if TYPE_CHECKING:
    import pandas as pd
    from formulaic import ModelSpec

TRANSFORMS = (
    *("C", "I", "bs", "cc", "cr", "cs", "poly", "center", "scale", "standardize"),
    *("log", "log2", "log10", "exp", "exp2", "exp10"),
)
"""Functions of formulaic that a formula may call."""
NUMPY_FUNCTIONS = (
    *("abs", "cbrt", "ceil", "clip", "cos", "exp", "expm1", "floor", "log", "log10", "log1p", "log2"),
    *("maximum", "minimum", "power", "sign", "sin", "sqrt", "square", "tanh", "where"),
)
"""Functions that a formula may call as np.name: one value a row, from that row alone."""
CONTRASTS = ("treatment", "SAS", "sum", "helmert", "diff", "poly", "custom")
QUOTED = re.compile(r"`([^`]*)`")
SYNTAX = (
    ast.Expression,
    *(ast.Call, ast.keyword, ast.Name, ast.Attribute, ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Load),
    *(ast.BinOp, ast.UnaryOp, ast.Compare, ast.operator, ast.unaryop, ast.cmpop),
)
"""What an expression inside a formula may be made of."""


@dataclass(frozen=True, eq=False, repr=False)
class FormulaEncoder:
    """How a table becomes risk factors; learnt once, applied to new tables.

    Parameters
    ----------
    terms : str
        Right side of the formula.
    kinds : mapping of str to str
        Column to "number" or "category", as in the fit.
    facility : str
    offset : str, optional
        Columns.
    transform_state : dict
        What transforms learnt, as formulaic keeps it; empty before the fit.
    categories : dict
        Categories of each factor of the terms in the fit's order, None for numbers; empty before
        the fit.
    """

    terms: str
    kinds: Mapping[str, str]
    facility: str
    offset: str | None = None
    transform_state: dict[str, Any] = field(default_factory=dict)
    categories: dict[str, list[Any] | None] = field(default_factory=dict)

    def columns(self) -> list[str]:
        """Columns the terms need, in their order."""
        return list(dict.fromkeys(name for names in self._factors().values() for name in names))

    def learn(self, table: Table) -> tuple[pd.DataFrame, FormulaEncoder]:
        """Design of the fit, and the encoder that can repeat it."""
        frame = table.to_pandas(self.columns())
        kinds = {name: _kind(frame, name) for name in self.columns()}
        design, spec = self._materialize(frame)
        categories = {name: state.get("categories") for name, (_, state) in spec.encoder_state.items()}
        return design, replace(self, kinds=kinds, transform_state=spec.transform_state, categories=categories)

    def read_new(
        self, data: Any, facility: Any, offset: Any, factor_names: tuple[str, ...]
    ) -> tuple[FloatArray, Any, Any]:
        """Design, facility labels and offset of a new table.

        Raises
        ------
        FitError
        """
        table = Table.of(data)
        offset_column = self.offset if offset is None else offset if isinstance(offset, str) else None
        facility_column = facility if isinstance(facility, str) else None
        needed = [*self.columns(), *(name for name in (offset_column, facility_column) if name is not None)]
        table.refuse_unknown(needed)
        table.refuse_missing(needed)
        frame = table.to_pandas(self.columns())
        self._refuse_other_kinds(frame)
        self._refuse_unseen(frame)
        design = self._materialize(frame)[0]
        if tuple(design.columns) != factor_names:
            raise FitError(
                f"the table gives {design.shape[1]} risk factors that differ from the {len(factor_names)} of the fit",
                expected="the columns of the fit with the same types",
            )
        if facility_column is not None:
            facility = table.native(facility_column)
        if offset_column is not None:
            offset = table.native(offset_column)
        return read_factors(design)[0], facility, offset

    def _factors(self) -> dict[str, list[str]]:
        """Columns of each factor of the terms, by the factor's text.

        Raises
        ------
        FitError
            Terms that cannot be read, drop the intercept or hold more than columns and known functions.
        """
        from formulaic import SimpleFormula
        from formulaic.errors import FormulaicError

        try:
            formula = _simple_formula(self.terms)
        except (FormulaicError, SyntaxError, ValueError, TypeError):
            formula = None
        if not isinstance(formula, SimpleFormula):
            raise FitError(
                f"terms that cannot be read: {self.terms}",
                expected="columns and functions of columns joined by + : * - / ** and brackets",
            )
        if all(term.factors and str(term) != "1" for term in formula):
            raise FitError(
                "the formula drops the intercept",
                expected="an intercept: facility effects are deviations from it",
                hint="leave '-1' or '0 +' out",
            )
        factors = [factor for term in formula for factor in term.factors if factor.eval_method.value != "literal"]
        return {
            factor.expr: [factor.expr] if factor.eval_method.value == "lookup" else columns_of(factor.expr)
            for factor in factors
        }

    def _materialize(self, frame: pd.DataFrame) -> tuple[pd.DataFrame, ModelSpec]:
        """Design without the intercept, and formulaic's record of it."""
        import pandas as pd
        from formulaic import ModelSpec
        from formulaic.errors import DataMismatchWarning, FormulaicError
        from formulaic.parser.types import Factor

        numerical, categorical = (Factor.Kind.NUMERICAL, {}), Factor.Kind.CATEGORICAL
        known = {
            name: numerical if levels is None else (categorical, {"categories": levels})
            for name, levels in self.categories.items()
        }
        spec = ModelSpec(
            formula=_simple_formula(self.terms),
            na_action="ignore",  # pyright: ignore[reportArgumentType] - turned into formulaic's own type
            output="pandas",
            transform_state={key: dict(value) for key, value in self.transform_state.items()},
            encoder_state=known,
        )
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("error", DataMismatchWarning)
            try:
                matrix = spec.get_model_matrix(frame, context={})
            except DataMismatchWarning:
                raise FitError(
                    "rows with categories outside the levels of a term of the formula",
                    expected="the levels named in C(..., levels=) or seen in the fit",
                ) from None
            except (FormulaicError, ValueError, TypeError, ArithmeticError, LookupError) as error:
                # the library's text may quote values of the table
                raise FitError(
                    f"the terms cannot be computed from the table ({type(error).__name__}): {self.terms}",
                    expected="numbers in numeric functions, and in bs, cr and cc inside the range of the fit",
                    hint="check the column types and the arguments of the functions",
                ) from None
        design = pd.DataFrame(matrix).iloc[:, 1:]
        design.columns = [str(name) for name in design.columns]
        assert matrix.model_spec is not None
        return design, matrix.model_spec

    def _refuse_other_kinds(self, frame: pd.DataFrame) -> None:
        changed = [
            f"'{name}' is a {_kind(frame, name)}, was a {kind}"
            for name, kind in self.kinds.items()
            if _kind(frame, name) != kind
        ]
        if changed:
            raise FitError(f"columns of another type than in the fit: {'; '.join(changed)}", expected="the same types")

    def _refuse_unseen(self, frame: pd.DataFrame) -> None:
        """Refuse categories without a coefficient, by column and count."""
        for expression, names in self._factors().items():
            categories = self.categories[expression]
            if categories is None or len(names) != 1 or not _is_plain(expression):
                continue
            unseen = int(np.sum(~frame[names[0]].isin(list(categories)).to_numpy()))
            if unseen:
                raise FitError(
                    f"column '{names[0]}': {unseen} of {len(frame)} rows hold a category the fit has not seen",
                    expected=f"the {len(categories)} categories of the fit",
                    hint="leave those rows out, or fit again with cases of these categories",
                )


def columns_of(expression: str) -> list[str]:
    """Columns an expression of a formula reads, once it is known to hold nothing else.

    Raises
    ------
    FitError
        Calls of unknown functions, and anything that is not arithmetic on columns.

    Examples
    --------
    >>> columns_of("np.log(age + `years since`)")
    ['age', 'years since']
    """
    quoted: list[str] = []

    def stand_in(match: re.Match[str]) -> str:
        quoted.append(match.group(1))
        return f"_quoted_{len(quoted) - 1}_"

    try:
        tree = ast.parse(QUOTED.sub(stand_in, expression), mode="eval")
    except SyntaxError:
        raise FitError(f"part of the formula cannot be read: {expression}", expected="a function of columns") from None
    names = {f"_quoted_{k}_": name for k, name in enumerate(quoted)}
    roots = _refuse_free_code(tree, expression)
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in roots]
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(dict.fromkeys(names.get(node.id, node.id) for node in found))


def _refuse_free_code(tree: ast.AST, expression: str) -> set[ast.AST]:
    """Refuse all but arithmetic and known functions; give the names that are not columns."""
    roots: set[ast.AST] = set()
    for node in ast.walk(tree):
        known = isinstance(node, SYNTAX)
        if isinstance(node, ast.Attribute):
            root = node.value.id if isinstance(node.value, ast.Name) else ""
            known = node.attr in {"np": NUMPY_FUNCTIONS, "contr": CONTRASTS}.get(root, ())
            roots.add(node.value)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            known = node.func.id in TRANSFORMS
            roots.add(node.func)
        if not known:
            raise FitError(
                f"part of the formula is not a known function of columns: {expression}",
                expected=f"arithmetic, {', '.join(TRANSFORMS)}, contr.* and np.* of {', '.join(NUMPY_FUNCTIONS)}",
                hint="compute it as a column of the table first",
            )
    return roots


def _simple_formula(terms: str) -> Any:
    from formulaic import Formula

    return Formula.from_spec(terms)


def _is_plain(expression: str) -> bool:
    """Whether a factor is a column, or C() of a column."""
    bare = re.match(r"C\(\s*([^,()]+?)\s*(,.*)?\)$", expression)
    return column_name(bare.group(1) if bare else f"`{expression}`") is not None and (
        bare is not None or "(" not in expression
    )


def _kind(frame: pd.DataFrame, name: str) -> str:
    return "number" if frame.dtypes[name].kind in "biuf" else "category"


def column_name(text: str) -> str | None:
    """The column a text names, bare or in backticks; None for anything else.

    Examples
    --------
    >>> column_name("age"), column_name(" `years since` "), column_name("log(age)")
    ('age', 'years since', None)
    """
    text = text.strip()
    if text.startswith("`") and text.endswith("`") and text.count("`") == 2:
        return text[1:-1]
    return text if text.isidentifier() else None
