"""What other frameworks call an activation: data, one table per dialect, a file for each framework.

A table holds every name of its dialect with the parameters in the order in which that framework takes them. A
parameter that is not listed is unknown in that dialect, even where jaxact has it.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from jaxact._src import catalogue
from jaxact._src.checks import shown
from jaxact._src.dialects.huggingface import HUGGING_FACE
from jaxact._src.dialects.keras import KERAS, TF_KERAS
from jaxact._src.dialects.puzzlelib import PUZZLELIB
from jaxact._src.dialects.record import Dialect, Name, Unused
from jaxact._src.dialects.torch import TORCH

__all__ = ["DIALECTS", "JAX", "Dialect", "Name", "Unused", "arguments", "check", "find", "translate"]

JAX = "jax"

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {"keras": KERAS, "tf_keras": TF_KERAS, "torch": TORCH, "hf": HUGGING_FACE, "puzzlelib": PUZZLELIB}
)


def check(dialect: str) -> None:
    """Raise a ValueError, with the nearest ones, if there is no such dialect; a TypeError if it is no string."""
    if not isinstance(dialect, str):
        raise TypeError(f"dialect must be one of {[JAX, *DIALECTS]}, got {shown(dialect)}")
    if dialect not in (JAX, *DIALECTS):
        raise ValueError(catalogue.unknown(dialect, (JAX, *DIALECTS), "dialect"))


def translate(
    name: str, args: Sequence[Any], params: Mapping[str, Any], dialect: str
) -> tuple[str, dict[str, Any]]:
    """A name and parameters of a dialect (not ``"jax"``) in jaxact's own.

    Raises:
      ValueError: The dialect has no such name; the nearest are suggested. A parameter has a value without
        counterpart.
      TypeError: A parameter is unknown, missing or given twice, or there are too many or too few by position.
    """
    found, entry = find(name, dialect)
    positional = entry.positional()
    few = DIALECTS[dialect].all_or_none and 0 < len(args) < len(positional)
    if few or len(args) > len(positional):
        takes = list(positional) or "()"
        raise TypeError(f"{dialect} activation {found!r} takes args {takes}, got {shown(tuple(args))}")
    return entry.activation, arguments(
        f"{dialect} activation {found!r}", entry, dict(zip(positional, args)), params
    )


def find(name: str, dialect: str) -> tuple[str, Name]:
    """The name as it is written in the dialect, and what it means: a function, else a class of layers.

    A name that is written exactly so goes first: tf_keras has leaky_relu and LeakyReLU, with other defaults.
    """
    table = DIALECTS[dialect]
    both = [*table.names.items(), *table.layers.items()]
    for same in (lambda a: a == name, lambda a: catalogue.fold(a) == catalogue.fold(name)):
        for written, entry in both:
            if same(written):
                return written, entry
    raise ValueError(catalogue.unknown(name, table.names, f"{dialect} activation"))


def arguments(owner: str, entry: Name, *given: Mapping[str, Any]) -> dict[str, Any]:
    """jaxact's parameters of those that are given in a dialect, with the defaults of the dialect."""
    taken: dict[str, Any] = {}
    for key, value in (item for some in given for item in some.items()):
        if key not in entry.parameters:
            has = list(entry.parameters) or "none"
            raise TypeError(f"{owner} has no parameter {shown(key)}; it has {has}")
        ours = entry.parameters[key]
        if isinstance(ours, Unused):
            if not ours.admits(value):
                raise ValueError(
                    f"{owner}: {key} must be {ours.text}, got {shown(value)}; jaxact has no such parameter"
                )
            continue
        if ours in taken:
            raise TypeError(f"{owner}: {key!r} gives {ours} a second time")
        taken[ours] = _value(owner, entry, key, value)
    for key in entry.required:
        if taken.get(str(entry.parameters[key])) is None:
            raise TypeError(f"{owner} needs {key!r}, which the framework would guess from the rank of its input")
    return {**entry.defaults, **taken}


def _value(owner: str, entry: Name, key: str, value: Any) -> Any:
    """A parameter's value as jaxact has it."""
    values = entry.values.get(key)
    if values is None:
        return value
    if value not in list(values):  # a list, because what is given may have no hash
        raise ValueError(f"{owner}: {key} must be one of {list(values)}, got {shown(value)}")
    return values[value]
