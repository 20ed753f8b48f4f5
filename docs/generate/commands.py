"""The command line: every command with its arguments and options, from what typer knows of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from docs.generate.markdown import escape, page, table

from riskstd.cli import app

_INTRO = """\
Commands in the order of the flow. Results go to files or standard output, messages and progress to standard error;
what the exit codes mean is on the [page of errors](errors.md)."""


def commands_page() -> str:
    """Return the page of all commands."""
    root: Any = typer.main.get_command(app)
    parts = [_INTRO, "## `riskstd`", escape(root.help), _parameters(root)]
    parts += [part for name, command in _leaves(root, "riskstd") for part in _described(name, command)]
    return page("Command line", "the commands of `riskstd.cli`", parts)


def _leaves(command: Any, path: str) -> list[tuple[str, Any]]:
    """Commands below a command, with the words to type."""
    children = getattr(command, "commands", None)
    if children is None:
        return [(path, command)]
    return [leaf for name, child in children.items() for leaf in _leaves(child, f"{path} {name}")]


def _described(name: str, command: Any) -> list[str]:
    if not command.help:
        raise ValueError(f"the command `{name}` has no docstring")
    arguments = " ".join(_usage(one) for one in command.params if one.param_type_name == "argument")
    return [
        f"## `{name}`",
        escape(command.help),
        f"```text\n{name} {arguments}{' ' if arguments else ''}[OPTIONS]\n```",
        _parameters(command),
    ]


def _usage(argument: Any) -> str:
    word = argument.name.upper() + ("..." if argument.nargs == -1 or getattr(argument, "multiple", False) else "")
    return word if argument.required else f"[{word}]"


def _parameters(command: Any) -> str:
    rows = []
    for one in command.params:
        if one.name == "help":
            continue
        if not getattr(one, "help", None):
            raise ValueError(f"`{one.name}` of the command `{command.name}` has no help")
        rows.append((_names(one), _kind(one), _default(one), escape(one.help)))
    return table(("name", "value", "if left out", "meaning"), rows) if rows else "No arguments or options."


def _names(one: Any) -> str:
    names = [one.name.upper()] if one.param_type_name == "argument" else [*one.opts, *one.secondary_opts]
    return ", ".join(f"`{name}`" for name in names)


def _kind(one: Any) -> str:
    """Kind of value in a word; nothing for a flag."""
    words = {int: "number", float: "number", Path: "path", str: "text"}
    kind = one.type_descriptor.annotation
    inner = next((part for part in (*get_args(kind), kind) if part in words), None)
    several = ", repeatable" if list in (get_origin(kind), *map(get_origin, get_args(kind))) else ""
    if inner is None and get_args(kind):
        inner = next((part for outer in get_args(kind) for part in get_args(outer) if part in words), None)
    return "" if _is_flag(one) else words.get(inner, "text") + several


def _is_flag(one: Any) -> bool:
    return bool(getattr(one, "is_flag", False))


def _default(one: Any) -> str:
    if one.required:
        return "required"
    if _is_flag(one):
        return "on" if one.default else "off"
    return "" if one.default in (None, "", ()) or callable(one.default) else f"`{one.default}`"
