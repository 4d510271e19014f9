"""jaxact: the activation layer for JAX."""

from jaxact import reference
from jaxact._src.definition import Limit, Nonnegative, Positive, Real
from jaxact._src.explain import explain
from jaxact._src.function import elementwise
from jaxact._src.select import use
from jaxact.activations import (
    clip,
    fat_relu,
    hard_mish,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_swish,
    hard_tanh,
    identity,
    leaky_relu,
    relu,
    relu6,
    relu_squared,
    soft_shrink,
    sparse_plus,
    sparse_sigmoid,
    threshold,
    thresholded_relu,
)
from jaxact.registry import deserialize, get, names, serialize

__version__ = "0.1.0.dev0"

__all__ = [
    "Limit",
    "Nonnegative",
    "Positive",
    "Real",
    "clip",
    "deserialize",
    "elementwise",
    "explain",
    "fat_relu",
    "get",
    "hard_mish",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "identity",
    "leaky_relu",
    "names",
    "reference",
    "relu",
    "relu6",
    "relu_squared",
    "serialize",
    "soft_shrink",
    "sparse_plus",
    "sparse_sigmoid",
    "threshold",
    "thresholded_relu",
    "use",
]
