"""The elementwise activations, a room for each kind of mathematics."""

from jaxact.elementwise.algebraic import bent_identity, soft_sign, squareplus
from jaxact.elementwise.exponential import celu, elu, exponential, selu
from jaxact.elementwise.hyperbolic import lisht, mish, softcap, tanh, tanh_shrink, telu
from jaxact.elementwise.piecewise import identity, leaky_relu, relu, relu6

__all__ = [
    "bent_identity",
    "celu",
    "elu",
    "exponential",
    "identity",
    "leaky_relu",
    "lisht",
    "mish",
    "relu",
    "relu6",
    "selu",
    "soft_sign",
    "softcap",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "telu",
]
