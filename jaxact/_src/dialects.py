"""What other frameworks call an activation: data, one table per dialect.

A table holds every name of its dialect with the parameters in the order in which that framework takes them. A
parameter that is not listed is unknown in that dialect, even where jaxact has it.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from jaxact._src import catalogue

JAX = "jax"


@dataclasses.dataclass(frozen=True)
class Name:
    """One name of a dialect.

    Attributes:
      activation: What jaxact calls it.
      parameters: The dialect's parameter names, in its order -> jaxact's. Two names may mean the same one; the
        later of them is taken by keyword only.
      defaults: jaxact's parameters whose default differs in the dialect.
    """

    activation: str
    parameters: Mapping[str, str] = dataclasses.field(default_factory=dict)
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Dialect:
    """The names of one framework.

    Attributes:
      names: Each name as the framework writes it.
      all_or_none: Parameters by position are given all or not at all.
    """

    names: Mapping[str, Name]
    all_or_none: bool = False


# PuzzleLib.Modules.Activation: the names it lists, `args` as its kernels take them.
PUZZLELIB = Dialect(
    all_or_none=True,
    names={
        "sigmoid": Name("sigmoid"),
        "tanh": Name("tanh"),
        "relu": Name("relu"),
        "leakyRelu": Name("leaky_relu", {"a": "negative_slope"}, {"negative_slope": 0.01}),
        "elu": Name("elu", {"a": "alpha"}),
        "softPlus": Name("softplus"),
        "clip": Name("clip", {"a": "min_val", "b": "max_val"}, {"min_val": 0.0, "max_val": 6.0}),
    },
)

# keras.activations of Keras 3. `alpha` of relu is what Keras 2 called its negative slope.
KERAS = Dialect(
    names={
        "relu": Name(
            "relu",
            {
                "negative_slope": "negative_slope",
                "max_value": "max_value",
                "threshold": "threshold",
                "alpha": "negative_slope",
            },
        ),
        "leaky_relu": Name("leaky_relu", {"negative_slope": "negative_slope"}, {"negative_slope": 0.2}),
        "relu6": Name("relu6"),
        "elu": Name("elu", {"alpha": "alpha"}),
        "celu": Name("celu", {"alpha": "alpha"}),
        "selu": Name("selu"),
        "gelu": Name("gelu", {"approximate": "approximate"}, {"approximate": False}),
        "silu": Name("silu"),
        "swish": Name("silu"),
        "mish": Name("mish"),
        "sigmoid": Name("sigmoid"),
        "hard_sigmoid": Name("hard_sigmoid"),
        "hard_silu": Name("hard_silu"),
        "hard_swish": Name("hard_silu"),
        "log_sigmoid": Name("log_sigmoid"),
        "tanh": Name("tanh"),
        "softplus": Name("softplus"),
        "softsign": Name("soft_sign"),
        "exponential": Name("exponential"),
        "linear": Name("identity"),
    },
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType({"keras": KERAS, "puzzlelib": PUZZLELIB})


def check(dialect: str) -> None:
    """Raise a ValueError, with the nearest ones, if there is no such dialect."""
    if dialect not in (JAX, *DIALECTS):
        raise ValueError(catalogue.unknown(dialect, (JAX, *DIALECTS), "dialect"))


def translate(
    name: str, args: Sequence[Any], params: Mapping[str, Any], dialect: str
) -> tuple[str, dict[str, Any]]:
    """A name and parameters of a dialect (not ``"jax"``) in jaxact's own.

    Raises:
      ValueError: The dialect has no such name; the nearest are suggested.
      TypeError: A parameter is unknown or given twice, or there are too many or too few by position.
    """
    table = DIALECTS[dialect]
    found = next((n for n in table.names if catalogue.fold(n) == catalogue.fold(name)), None)
    if found is None:
        raise ValueError(catalogue.unknown(name, table.names, f"{dialect} activation"))
    entry = table.names[found]
    order = list(dict.fromkeys(entry.parameters.values()))
    theirs = [next(t for t, ours in entry.parameters.items() if ours == o) for o in order]
    few = table.all_or_none and 0 < len(args) < len(order)
    if few or len(args) > len(order):
        raise TypeError(f"{dialect} activation {found!r} takes args {theirs or '()'}, got {tuple(args)!r}")
    given = dict(zip(order, args))
    for key, value in params.items():
        if key not in entry.parameters:
            has = list(entry.parameters) or "none"
            raise TypeError(f"{dialect} activation {found!r} has no parameter {key!r}; it has {has}")
        ours = entry.parameters[key]
        if ours in given:
            raise TypeError(f"{dialect} activation {found!r}: {key!r} gives {ours} a second time")
        given[ours] = value
    return entry.activation, {**entry.defaults, **given}
