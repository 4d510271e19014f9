"""The definitions of the activations, a room for each kind of mathematics."""

from jaxact.activations.clamps import (
    clip,
    hard_mish,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    sparse_plus,
    sparse_sigmoid,
)
from jaxact.activations.rectifiers import (
    fat_relu,
    hard_shrink,
    identity,
    leaky_relu,
    relu,
    relu6,
    relu_squared,
    soft_shrink,
    threshold,
    thresholded_relu,
)

hard_swish = hard_silu

__all__ = [
    "clip",
    "fat_relu",
    "hard_mish",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "identity",
    "leaky_relu",
    "relu",
    "relu6",
    "relu_squared",
    "soft_shrink",
    "sparse_plus",
    "sparse_sigmoid",
    "threshold",
    "thresholded_relu",
]
