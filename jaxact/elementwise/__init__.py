"""The elementwise activations, a room for each kind of mathematics."""

from jaxact.elementwise.algebraic import bent_identity, soft_sign, squareplus
from jaxact.elementwise.exponential import celu, elu, exponential, selu
from jaxact.elementwise.gaussian import gelu, gelu_clipped, laplace, serf
from jaxact.elementwise.hyperbolic import lisht, mish, softcap, tanh, tanh_shrink, telu
from jaxact.elementwise.logistic import log_sigmoid, quick_gelu, sigmoid, silu, softplus, sqrt_softplus
from jaxact.elementwise.piecewise import identity, leaky_relu, relu, relu6

__all__ = [
    "bent_identity",
    "celu",
    "elu",
    "exponential",
    "gelu",
    "gelu_clipped",
    "identity",
    "laplace",
    "leaky_relu",
    "lisht",
    "log_sigmoid",
    "mish",
    "quick_gelu",
    "relu",
    "relu6",
    "selu",
    "serf",
    "sigmoid",
    "silu",
    "soft_sign",
    "softcap",
    "softplus",
    "sqrt_softplus",
    "squareplus",
    "tanh",
    "tanh_shrink",
    "telu",
]
