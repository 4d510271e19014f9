"""The elementwise activations, a room for each kind of mathematics."""

from jaxact.elementwise.gaussian import gelu, gelu_clipped, laplace, serf
from jaxact.elementwise.logistic import log_sigmoid, quick_gelu, sigmoid, silu, softplus, sqrt_softplus
from jaxact.elementwise.piecewise import identity, leaky_relu, relu, relu6

__all__ = [
    "gelu",
    "gelu_clipped",
    "identity",
    "laplace",
    "leaky_relu",
    "log_sigmoid",
    "quick_gelu",
    "relu",
    "relu6",
    "serf",
    "sigmoid",
    "silu",
    "softplus",
    "sqrt_softplus",
]
