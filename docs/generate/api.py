"""The Python interface: public names, and the results that they return."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

from docs.generate.docstrings import MissingDocstringError, docstring_of, entries, in_markdown, sections
from docs.generate.markdown import escape, page

import riskstd

_FUNCTIONS = """\
What `import riskstd` offers, in the order of the flow. What these return is on the page of [results](results.md)."""
_RESULTS = """\
What the [public functions](api.md) return: attributes, properties and methods. Representations show structure and
never a person. The classes below are not imported from `riskstd`; they come as the result of a function."""


def functions_page(module: ModuleType = riskstd) -> str:
    """Return the page of the public names of a module.

    Raises
    ------
    MissingDocstringError
        Naming every public name without one, and every parameter that a docstring leaves out.
    """
    names = list(module.__all__)
    _refuse_missing([fault for name in names for fault in faults_of(name, getattr(module, name))])
    parts, group = [_FUNCTIONS], ""
    for name in names:
        one = getattr(module, name)
        if (title := _group(one)) != group:
            group = title
            parts.append(f"## {group}")
        parts += _class_parts(name, one) if inspect.isclass(one) else _function_parts(name, one)
    return page("Python interface", "the docstrings of `riskstd`", parts)


def results_page(module: ModuleType = riskstd) -> str:
    """Return the page of the classes that public functions and their results return."""
    found = result_classes(module)
    _refuse_missing([fault for name, one in found.items() for fault in faults_of(name, one)])
    parts = [_RESULTS, *(part for name, one in found.items() for part in _class_parts(name, one, "##"))]
    return page("Results", "the docstrings of the classes that public functions return", parts)


def result_classes(module: ModuleType = riskstd) -> dict[str, type]:
    """Return the classes of the package that the public names return and that are not public names, by name."""
    public = {name: getattr(module, name) for name in module.__all__}
    found = {one.__name__: one for thing in public.values() for one in _returned(thing)}
    return {name: one for name, one in sorted(found.items()) if name not in public}


def faults_of(name: str, one: Any) -> list[str]:
    """Return what the docstrings of a function or class leave out: themselves, or parameters."""
    members = [(f"{name}.{key}", value) for key, value in public_members(one)] if inspect.isclass(one) else []
    faults = []
    for label, thing in [(name, one), *members]:
        try:
            text = docstring_of(thing, label)
        except MissingDocstringError as error:
            faults.append(str(error))
            continue
        if inspect.isfunction(thing) and thing is one:
            faults += [f"`{label}` does not say what `{left}` is" for left in _unexplained(thing, text)]
    return faults


def public_members(one: type) -> Iterator[tuple[str, Any]]:
    """Yield public methods and properties that the package gives a class, with what has their docstring."""
    for key in sorted({key for base in one.__mro__ for key in vars(base) if base.__module__.startswith("riskstd")}):
        value = inspect.getattr_static(one, key)
        value = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        value = getattr(value, "func", value)  # cached properties
        if not key.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            yield key, value


def _unexplained(function: Any, text: str) -> list[str]:
    """Parameters that a docstring in sections leaves out; one of a few lines explains them in its sentence, or none."""
    if len(sections(text)) == 1:
        return []
    explained = {name for entry in entries(sections(text).get("Parameters", "")) for name in entry.names}
    return [name for name in inspect.signature(function).parameters if name not in explained and name != "self"]


def _refuse_missing(faults: list[str]) -> None:
    if faults:
        raise MissingDocstringError(f"{len(faults)} public name(s) are not explained: " + "; ".join(faults))


def _group(one: Any) -> str:
    """Title of a package: the first sentence of its docstring."""
    place = ".".join(one.__module__.split(".")[:2])
    if one.__module__.startswith("riskstd.model.assess"):
        place = "riskstd.model.assess"
    said = (sys.modules[place].__doc__ or place).strip().splitlines()[0]
    return escape(re.split(r"[.:;]", said)[0])


def _function_parts(name: str, one: Any) -> list[str]:
    return [
        f"### `{name}`",
        _signature(f"riskstd.{name}", one),
        *in_markdown(docstring_of(one, name)),
    ]


def _class_parts(name: str, one: type, mark: str = "###") -> list[str]:
    parts = [f"{mark} class `{name}`", f"From `{one.__module__}`.", *in_markdown(docstring_of(one, name))]
    for key, value in public_members(one):
        label = f"{name}.{key}"
        parts.append(f"{mark}# `{label}`")
        parts.append(_signature(label, value) if is_method(one, key) else "Attribute.")
        parts += in_markdown(docstring_of(value, label))
    return parts


def is_method(one: type, key: str) -> bool:
    """Tell a method from a property, cached or not."""
    return isinstance(inspect.getattr_static(one, key), types.FunctionType | classmethod | staticmethod)


def _signature(label: str, one: Any) -> str:
    """Signature as Python, one parameter a line where it is long."""
    signature = inspect.signature(one)
    kept = [p for key, p in signature.parameters.items() if key not in ("self", "cls")]
    text = str(signature.replace(parameters=kept))
    # Annotations are kept as text, so that they come in quotes.
    text = re.sub(r"(?<=: )'([^']*)'|(?<=-> )'([^']*)'|(?<=: )\"([^\"]*)\"", lambda m: m[1] or m[2] or m[3], text)
    if len(label) + len(text) <= 100:
        return f"```python\n{label}{text}\n```"
    inside = _split_parameters(text)
    return f"```python\n{label}(\n" + textwrap.indent("\n".join(inside[0]), "    ") + f"\n){inside[1]}\n```"


def _split_parameters(text: str) -> tuple[list[str], str]:
    """Parameters of a signature as lines, and what follows the closing bracket."""
    depth, start, lines = 0, 1, []
    for position, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if (sign == "," and depth == 1) or depth == 0:
            lines.append(text[start:position].strip() + ",")
            start = position + 1
        if depth == 0:
            return lines, text[position + 1 :]
    return lines, ""


def _returned(one: Any) -> list[type]:
    """Classes of the package in the return annotations of a function, or of a class's members."""
    functions = [value for _, value in public_members(one)] if inspect.isclass(one) else [one]
    functions = [value.fget if isinstance(value, property) else value for value in functions]
    found = []
    for function in functions:
        for word in re.findall(r"[A-Za-z_]\w*", str(getattr(function, "__annotations__", {}).get("return", ""))):
            candidate = _class_named(word, function.__module__)
            if candidate is not None:
                found.append(candidate)
    return found


def _class_named(word: str, module: str) -> type | None:
    """The class that a word means in a module, also where it is imported for annotations only."""
    place = import_module(module)
    found = getattr(place, word, None)
    if found is None:
        for node in ast.walk(ast.parse(inspect.getsource(place))):
            if isinstance(node, ast.ImportFrom) and node.module and word in {alias.name for alias in node.names}:
                found = getattr(import_module(node.module), word, None)
    ours = inspect.isclass(found) and found.__module__.startswith("riskstd")
    return found if ours else None
