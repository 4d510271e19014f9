"""The definitions of the activations, a room for each kind of mathematics."""

from jaxact.activations.algebraic import bent_identity, soft_sign, squareplus
from jaxact.activations.blends import acon_c, dice
from jaxact.activations.clamps import (
    clip,
    hard_mish,
    hard_sigmoid,
    hard_sigmoid_keras2,
    hard_silu,
    hard_tanh,
    sparse_plus,
    sparse_sigmoid,
)
from jaxact.activations.composed import crelu, gumbel_softmax, maxout, prelu_channelwise, softmax_keras2
from jaxact.activations.exponential import celu, elu, exponential, selu
from jaxact.activations.gaussian import gelu, gelu_clipped, laplace, serf
from jaxact.activations.hyperbolic import lisht, mish, softcap, tanh, tanh_shrink, telu
from jaxact.activations.limited import clip_offset, silu_capped, situ, swish_limited
from jaxact.activations.logistic import log_sigmoid, quick_gelu, sigmoid, silu, softplus, sqrt_softplus
from jaxact.activations.parametric import dyt, pelu, prelu, srelu, star_relu, swish_beta, xielu
from jaxact.activations.periodic import snake, snake_beta
from jaxact.activations.rational import pade
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
from jaxact.activations.rowwise import entmax, entmax15, log_softmax, softmax, softmin, sparsemax
from jaxact.activations.trained import meta_acon, poly_norm, rational, rrelu

hard_swish = hard_silu
swish = silu

__all__ = [
    "acon_c",
    "bent_identity",
    "celu",
    "clip",
    "clip_offset",
    "crelu",
    "dice",
    "dyt",
    "elu",
    "entmax",
    "entmax15",
    "exponential",
    "fat_relu",
    "gelu",
    "gelu_clipped",
    "gumbel_softmax",
    "hard_mish",
    "hard_shrink",
    "hard_sigmoid",
    "hard_sigmoid_keras2",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "identity",
    "laplace",
    "leaky_relu",
    "lisht",
    "log_sigmoid",
    "log_softmax",
    "maxout",
    "meta_acon",
    "mish",
    "pade",
    "pelu",
    "poly_norm",
    "prelu",
    "prelu_channelwise",
    "quick_gelu",
    "rational",
    "relu",
    "relu6",
    "relu_squared",
    "rrelu",
    "selu",
    "serf",
    "sigmoid",
    "silu",
    "silu_capped",
    "situ",
    "snake",
    "snake_beta",
    "soft_shrink",
    "soft_sign",
    "softcap",
    "softmax",
    "softmax_keras2",
    "softmin",
    "softplus",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "sqrt_softplus",
    "squareplus",
    "srelu",
    "star_relu",
    "swish",
    "swish_beta",
    "swish_limited",
    "tanh",
    "tanh_shrink",
    "telu",
    "threshold",
    "thresholded_relu",
    "xielu",
]
