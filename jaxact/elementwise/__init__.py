"""The elementwise activations, a room for each kind of mathematics."""

from jaxact.elementwise.piecewise import identity, leaky_relu, relu, relu6

__all__ = [
    "identity",
    "leaky_relu",
    "relu",
    "relu6",
]
