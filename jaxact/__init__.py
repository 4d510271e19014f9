"""jaxact: the activation layer for JAX."""

from jaxact import reference
from jaxact._src.definition import Limit, Nonnegative, Positive, Real
from jaxact._src.function import elementwise
from jaxact._src.select import use
from jaxact.elementwise import (
    bent_identity,
    celu,
    elu,
    exponential,
    identity,
    leaky_relu,
    lisht,
    mish,
    relu,
    relu6,
    selu,
    soft_sign,
    softcap,
    squareplus,
    tanh,
    tanh_shrink,
    telu,
)
from jaxact.registry import deserialize, get, names, serialize

__version__ = "0.1.0.dev0"

__all__ = [
    "Limit",
    "Nonnegative",
    "Positive",
    "Real",
    "bent_identity",
    "celu",
    "deserialize",
    "elementwise",
    "elu",
    "exponential",
    "get",
    "identity",
    "leaky_relu",
    "lisht",
    "mish",
    "names",
    "reference",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "soft_sign",
    "softcap",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "telu",
    "use",
]
