"""The case table: every elementwise activation at its defaults and at the settings of its record."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

import jaxact
from jaxact._src import catalogue
from jaxact._src.definition import ElementwiseDefinition
from jaxact._src.function import Elementwise
from jaxact._src.rowwise import Rowwise

# Parameters without a default need a value before anything can be tested.
REQUIRED = {
    "threshold": {"threshold": 0.1, "value": 20.0},
    "softcap": {"cap": 30.0},
    "prelu": {"negative_slope": 0.25},
}


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """One activation at one setting, through one implementation."""

    name: str
    params: Mapping[str, Any]
    implementation: str | None = None

    @property
    def activation(self) -> Any:
        return catalogue.activations()[self.name]

    @property
    def definition(self) -> ElementwiseDefinition:
        return self.activation.definition

    @property
    def differentiable(self) -> tuple[str, ...]:
        """The parameters that have a gradient at this setting."""
        return tuple(
            n
            for n, p in self.definition.parameters.items()
            if p.domain is not None and self.params.get(n, p.default) is not None
        )

    def __call__(self, x: jax.Array, **options: Any) -> jax.Array:
        return self.activation(x, **self.params, implementation=self.implementation, **options)

    def with_parameters(self, x: jax.Array, *values: jax.Array) -> jax.Array:
        """The activation with every differentiable parameter an array, by position."""
        given = {**self.params, **dict(zip(self.differentiable, values))}
        return self.activation(x, **given, implementation=self.implementation)

    def values(self) -> tuple[float, ...]:
        """The numbers of the differentiable parameters."""
        defaults = {n: p.default for n, p in self.definition.parameters.items()}
        return tuple(float({**defaults, **self.params}[n]) for n in self.differentiable)

    def within_reach(self, points: np.ndarray) -> np.ndarray:
        """Where the record promises accurate derivatives: everywhere, unless it is periodic and says how far."""
        reach = self.definition.facts.reach
        if reach is None:
            return np.ones(points.shape, bool)
        defaults = {n: p.default for n, p in self.definition.parameters.items()}
        return np.abs(points.astype(np.float64)) <= reach(**{**defaults, **self.params})

    def __str__(self) -> str:
        params = ",".join(f"{k}={v:g}" for k, v in self.params.items())
        return "-".join(filter(None, (self.name, params, self.implementation)))


def _settings(name: str) -> list[Mapping[str, Any]]:
    facts = catalogue.activations()[name].definition.facts
    return [REQUIRED.get(name, {}), *facts.settings]


def _builtin(kind: type) -> list[str]:
    own = f"{jaxact.__name__}."
    return [n for n, a in catalogue.activations().items() if isinstance(a, kind) and a.__module__.startswith(own)]


def builtin() -> list[str]:
    """The elementwise activations that jaxact itself defines, by name."""
    return _builtin(Elementwise)


def rowwise() -> list[str]:
    """Those over rows."""
    return _builtin(Rowwise)


CASES = [Case(n, s) for n in builtin() for s in _settings(n)]
DEFAULTS = [Case(n, REQUIRED.get(n, {})) for n in builtin()]
