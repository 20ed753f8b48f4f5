"""Errors and exit codes: every class, and every message that the code can raise, with its blanks."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.generate.markdown import escape, page, table

import riskstd
from riskstd import errors
from riskstd.errors import RiskstdError

SOURCE = Path(riskstd.__file__).parent
EXIT_CODES = (
    (0, "done"),
    (1, "an error that was not foreseen, facility reports that failed, or invented patients that found a defect"),
    (2, "the files or the options are at fault; the message says what, where, how many, and what to do"),
    (3, "the claims were processed but are too few for a model, so that there are no rates; all else is complete"),
    (130, "interrupted from the keyboard; nothing half-written was left"),
    (143, "ended from outside; nothing half-written was left"),
)
_INTRO = """\
Every error that the package raises on purpose is a [`RiskstdError`](api.md#class-riskstderror). Its message says
what was found, then `expected:` and `what to do:`. Rows are named by position; a person's identifier, a date or a
value of a cell is never in a message. In Python, `found`, `expected` and `hint` hold the three parts and
`exit_code` what the command line returns."""


@dataclass(frozen=True)
class Message:
    """One message of the code: class, package, and its three parts with … for what is filled in."""

    error: str
    package: str
    found: str
    expected: str
    hint: str


def error_classes() -> list[type[RiskstdError]]:
    """Return the classes of errors in the order of their declaration."""
    return [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, RiskstdError)]


def errors_page() -> str:
    """Return the page of exit codes, classes and messages."""
    classes = error_classes()
    messages = sorted(set(messages_of(SOURCE)), key=lambda m: (m.error, m.package, m.found, m.expected, m.hint))
    parts = [_INTRO, "## Exit codes", table(("code", "meaning"), [(str(n), said) for n, said in EXIT_CODES])]
    for one in classes:
        parts += [f"## `{one.__name__}`", _class_in_words(one)]
        rows = [
            (m.package, escape(m.found), escape(m.expected), escape(m.hint))
            for m in messages
            if m.error == one.__name__
        ]
        if rows:
            parts.append(table(("part of the package", "what was found", "expected", "what to do"), rows))
    return page("Errors and exit codes", "`riskstd.errors` and the messages in the code", parts)


def _class_in_words(one: type[RiskstdError]) -> str:
    said = (inspect.getdoc(one) or "").strip().split("\n\n")[0] if one.__doc__ else ""
    if not said:
        raise ValueError(f"the class {one.__name__} has no docstring")
    base = one.__bases__[0]
    kind = f" A kind of [`{base.__name__}`](#{base.__name__.lower()})." if issubclass(base, RiskstdError) else ""
    return f"{escape(' '.join(said.split()))}{kind} Exit code {one.exit_code}."


def messages_of(source: Path) -> Iterator[Message]:
    """Yield the message of every call of an error class below a folder."""
    names = {one.__name__ for one in error_classes()}
    for file in sorted(source.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names and node.args:
                parts = {word.arg: _pattern(word.value) for word in node.keywords}
                package = file.relative_to(source).parts[0].removesuffix(".py")
                found = _pattern(node.args[0])
                if found.strip(" …"):
                    yield Message(node.func.id, package, found, parts.get("expected", ""), parts.get("hint", ""))


def _pattern(node: ast.expr) -> str:
    """Text of an expression, with … where the code fills something in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        text = "".join(_pattern(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
        return text.replace("……", "…")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return f"{_pattern(node.left)}{_pattern(node.right)}".replace("……", "…")
    return "…"
