"""The two frameworks as one: a layer of a name, and its output for given variables."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
from flax import nnx

import jaxact.linen
import jaxact.nnx

FRAMEWORKS = ("linen", "nnx")
KEY = jax.random.key(0)


def make(framework: str, name: str, **options: Any) -> Any:
    return getattr(getattr(jaxact, framework), name)(**options)


def call(framework: str, name: str, **options: Any) -> Callable[..., Any]:
    """A layer as a function of its input and its trained parameters."""
    return CALLS[framework](make(framework, name, **options))


def _call_linen(layer: Any) -> Callable[..., Any]:
    def run(x: Any, parameters: Mapping[str, Any] = {}, **arguments: Any) -> Any:
        return layer.apply({"params": dict(parameters)}, x, **arguments)

    return run


def _call_nnx(layer: Any) -> Callable[..., Any]:
    graph, state = nnx.split(layer)

    def run(x: Any, parameters: Mapping[str, Any] = {}, **arguments: Any) -> Any:
        given = nnx.State({n: v.replace(parameters[n]) for n, v in state.items()})
        return nnx.merge(graph, given)(x, **arguments)

    return run


CALLS = {"linen": _call_linen, "nnx": _call_nnx}


def trace(function: Callable[..., Any], *args: Any) -> str:
    """What a function computes, written out: equal programs give equal values, and nothing is compiled."""
    return str(jax.make_jaxpr(function)(*args))
