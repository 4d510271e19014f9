"""Wrong calls, one table for each area: a call as it is written, the error's type, and what it must tell a user.

That is the value (or name, type, shape) that was received, and what there should be or what to do instead.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx as flax_nnx
from support import wave

import jaxact
from bad_input import (
    arrays,
    conversion,
    definitions,
    gated,
    layers,
    machines,
    names,
    parameters,
    rows,
)
from jaxact import convert, linen, nnx
from jaxact.testing import check_activation

Row = tuple[Any, ...]  # a call, the error, what was received, and words of the fix
AREAS: tuple[Any, ...] = (arrays, conversion, definitions, gated, layers, machines, names, parameters, rows)
ROWS: list[Row] = [row for area in AREAS for row in area.ROWS]


class Odd:
    """What no function of ours takes."""


def nested(config: Any, wrap: Any, times: int = 5000) -> Any:
    """A configuration within a configuration within a configuration."""
    for _ in range(times):
        config = wrap(config)
    return config


def layer(inner: Any) -> dict[str, Any]:
    return {"class_name": "Activation", "config": {"activation": inner}}


LOOP: dict[str, Any] = {}
LOOP["name"] = LOOP
LAYER_LOOP: dict[str, Any] = {}
LAYER_LOOP |= layer(LAYER_LOOP)

# What the calls see. Operands lie on the device already, so that a call that compiles anything is found out.
NAMESPACE = {
    "jax": jax,
    "jnp": jnp,
    "np": np,
    "jaxact": jaxact,
    "convert": convert,
    "linen": linen,
    "nnx": nnx,
    "check_activation": check_activation,
    "wave": wave,
    "Odd": Odd,
    "local": lambda x: x,
    "X": jnp.asarray(np.linspace(-1.0, 1.0, 6, dtype=np.float32).reshape(2, 3)),
    "P": jnp.asarray(np.ones((2, 4), np.float32)),
    "HALF": jnp.asarray(np.ones((2, 3), np.float16)),
    "COMPLEX": jnp.asarray(np.ones(2, np.complex64)),
    "TINY": jnp.asarray(np.array(1.0, np.float32)),
    "TWO": jnp.asarray(np.ones(2, np.float32)),
    "ONE": jnp.asarray(np.ones(3, np.float32)),
    "DATES": np.zeros(2, "datetime64[s]"),
    "KEY": jax.random.key(0),
    "RNGS": flax_nnx.Rngs(0),
    "PARAMS": flax_nnx.Rngs(params=0),
    "DROPOUT": flax_nnx.Rngs(dropout=0),
    "WIDE": nnx.PReLU(num_parameters=5),
    "NAN": float("nan"),
    "INF": float("inf"),
    "layer": layer,
    "prelu": functools.partial(dict, class_name="PReLU", config={}),
    "LOOP": LOOP,
    "LAYER_LOOP": LAYER_LOOP,
    "DEEP": nested("relu", lambda inner: {"name": inner, "params": {}}),
    "LAYERS_DEEP": nested("relu", layer),
    "OS_FUNCTION": {"class_name": "function", "config": "os.system", "module": "os"},
}


def call(text: str) -> Any:
    """The value of a row's call."""
    return eval(text, dict(NAMESPACE))


__all__ = ["AREAS", "NAMESPACE", "ROWS", "Row", "call"]
