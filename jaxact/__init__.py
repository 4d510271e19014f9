"""jaxact: the activation layer for JAX."""

from jaxact import reference
from jaxact._src.definition import Limit, Nonnegative, Positive, Real
from jaxact._src.function import elementwise
from jaxact._src.select import use
from jaxact.elementwise import (
    gelu,
    gelu_clipped,
    identity,
    laplace,
    leaky_relu,
    log_sigmoid,
    quick_gelu,
    relu,
    relu6,
    serf,
    sigmoid,
    silu,
    softplus,
    sqrt_softplus,
)
from jaxact.registry import deserialize, get, names, serialize

__version__ = "0.1.0.dev0"

__all__ = [
    "Limit",
    "Nonnegative",
    "Positive",
    "Real",
    "deserialize",
    "elementwise",
    "gelu",
    "gelu_clipped",
    "get",
    "identity",
    "laplace",
    "leaky_relu",
    "log_sigmoid",
    "names",
    "quick_gelu",
    "reference",
    "relu",
    "relu6",
    "serf",
    "serialize",
    "sigmoid",
    "silu",
    "softplus",
    "sqrt_softplus",
    "use",
]
