"""What there is to say of every activation, as plain data: for the command line and for the documentation."""

import dataclasses
import functools
import inspect
import json
from importlib import resources
from typing import Any

from jaxact._src import catalogue, dialects
from jaxact._src.documentation import describe
from jaxact._src.function import Elementwise
from jaxact._src.rowwise import Rowwise

KINDS = ("elementwise", "trainable", "rows", "gated")
GATED_MEMORY = "keeps the input for the backward pass"  # and nothing else, says tests/test_gated.py
Activation = Elementwise | Rowwise
_TRAINABLE = ("blends", "parametric", "periodic", "rational", "trained")  # files of `jaxact.activations`


@dataclasses.dataclass(frozen=True)
class Entry:
    """One activation in a list.

    Attributes:
      name: Its name.
      kind: One of `KINDS`.
      aliases: Its other names.
      summary: The first line of its docstring.
    """

    name: str
    kind: str
    aliases: tuple[str, ...]
    summary: str


def entries() -> list[Entry]:
    """Everything that can be listed, in alphabetical order."""
    found = [
        Entry(name, kind_of(a), a.definition.facts.aliases, summary(a))
        for name, a in catalogue.activations().items()
    ]
    found += [Entry(name, kind_of(f), (), summary(f)) for name, f in catalogue.functions().items()]
    return sorted(found, key=lambda entry: entry.name)


def kind_of(activation: Any) -> str:
    """Which of `KINDS` an activation is: the file that it stands in tells."""
    package, _, room = activation.__module__.rpartition(".")
    if isinstance(activation, Rowwise):
        return "rows"
    if room == "gated":
        return "gated"
    return "trainable" if package == "jaxact.activations" and room in _TRAINABLE else "elementwise"


def has_record(activation: Any) -> bool:
    """Whether more is known of an activation than its docstring."""
    return isinstance(activation, Elementwise | Rowwise)


def summary(function: Any) -> str:
    """The first line of a docstring."""
    return (function.__doc__ or "").strip().split("\n")[0]


def facts(activation: Any) -> dict[str, Any]:
    """All that the record of an activation says, and what follows from it; else its docstring."""
    if not has_record(activation):
        name = activation.__name__
        return {
            "name": name,
            "kind": kind_of(activation),
            "summary": summary(activation),
            "description": inspect.getdoc(activation),
            **({"memory": GATED_MEMORY} if kind_of(activation) == "gated" else {}),
            "names": {"jax": [name], **_names_elsewhere(name)},
        }
    own = activation.definition.facts
    return {
        "name": own.name,
        "kind": kind_of(activation),
        "summary": summary(activation),
        "formula": own.formula,
        "parameters": {n: _parameter(p) for n, p in activation.definition.parameters.items()},
        "range": own.range,
        "limits": own.limits,
        "kinks": own.kinks,
        "accuracy": _accuracy(own.name),
        "memory": f"keeps {_saved(activation)}",
        "source": own.source,
        "names": {"jax": list(catalogue.names_of(activation)), **_names_elsewhere(own.name)},
    }


def required(activation: Activation) -> dict[str, Any]:
    """Values for the parameters without a default: those of the record's first setting."""
    needed = [n for n, p in activation.definition.parameters.items() if p.required]
    settings = activation.definition.facts.settings
    return {n: settings[0][n] for n in needed} if settings else dict.fromkeys(needed, 1.0)


def _parameter(parameter: Any) -> str:
    return describe(parameter) if parameter.name != "axis" else "The axes of a row, by default the last."


def _accuracy(name: str) -> dict[str, str]:
    """Its worst measured errors by dtype, from the files that ``make accuracy`` writes."""
    orders = ("value", "f'", "f''")
    found = {
        dtype: ", ".join(f"{order} {ulp:g}" for order, ulp in zip(orders, worst)) + " ULP at worst"
        for dtype, worst in _measured("accuracy.json").get(name, {}).items()
    }
    over_rows = _measured("accuracy_rows.json").get(name, {})
    return found | {dtype: f"{share:g} of the error bound of rows at worst" for dtype, share in over_rows.items()}


@functools.cache
def _measured(file: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(resources.files(__package__).joinpath(file).read_text())
    return found


def _saved(activation: Activation) -> str:
    if isinstance(activation, Rowwise):
        return f"the {activation.definition.residual} for the backward pass"
    definition = activation.definition
    parameters = definition.bind((), required(activation))
    by_output = definition.output_determines_derivative(parameters)
    return f"the {'output, which the next layer keeps anyway,' if by_output else 'input'} for the backward pass"


def _names_elsewhere(name: str) -> dict[str, list[str]]:
    tables = {dialect: table.names for dialect, table in dialects.DIALECTS.items()}
    found = {d: [n for n, entry in names.items() if entry.activation == name] for d, names in tables.items()}
    return {dialect: names for dialect, names in found.items() if names}
