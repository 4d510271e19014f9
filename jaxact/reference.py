"""Every activation as a plain ``jax.custom_jvp`` function: ``jaxact.reference.silu(x)``.

The meaning of an activation, with no primitive of jaxact's in the jaxpr; ``implementation="inline"`` runs it too.
Derived from the definitions: it has each name that `jaxact.names` lists.
"""

import functools
from collections.abc import Callable
from typing import Any

from jaxact._src import catalogue


def __getattr__(name: str) -> Callable[..., Any]:
    activations = catalogue.activations()
    if name not in activations:
        raise AttributeError(catalogue.unknown(name, activations))
    return _inline(activations[name])


@functools.lru_cache(maxsize=1024)  # not without end: users make activations too
def _inline(activation: Callable[..., Any]) -> Callable[..., Any]:
    """One object for an activation, so that it is one static argument and one key."""
    return functools.partial(activation, implementation="inline")


def __dir__() -> list[str]:
    return sorted(catalogue.activations())
