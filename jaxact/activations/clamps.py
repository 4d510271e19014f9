"""Activations between limits: clamped lines and the parabolas made of them, the hard and sparse forms."""

import jax
import jax.numpy as jnp

from jaxact._src.definition import Limit
from jaxact._src.function import elementwise
from jaxact.activations._cases import clamp, inside, short, step

Array = jax.Array


# -- clamped lines ---------------------------------------------------------------------------------------------


@elementwise(
    formula=r"\min(\max(x, a), b)",
    source="PuzzleLib, Activation('clip'); kinks as PyTorch's hardtanh",
    range="[min_val, max_val]",
    limits="min_val, max_val",
    kinks="the derivative is 0 at both ends",
    settings=({"min_val": -2.0, "max_val": 3.0}, {"min_val": 0.1, "max_val": 0.3}, {"min_val": float("-inf")}),
    ordered=("min_val", "max_val"),
    keeps_integers=True,
    slopes=lambda **_: (0.0, 1.0),
)
def clip(x: Array, min_val: Limit = 0.0, max_val: Limit = 6.0) -> Array:
    """The input, limited to an interval."""
    return clamp(min_val, x, max_val)


@clip.derivative
def _(x: Array, min_val: Limit, max_val: Limit) -> Array:
    return inside(min_val, x, max_val)


@clip.derivative("min_val")
def _(x: Array, min_val: Limit, max_val: Limit) -> Array:
    return step(x <= min_val, x)


@clip.derivative("max_val")
def _(x: Array, min_val: Limit, max_val: Limit) -> Array:
    return step(x >= max_val, x)


@clip.output_derivative(exact=lambda min_val, max_val: short(min_val) and short(max_val))
def _(y: Array, min_val: Limit, max_val: Limit) -> Array:
    return inside(min_val, y, max_val)


@elementwise(
    formula=r"\min(\max(x, a), b)",
    source="Collobert 2004, Large scale machine learning; torch.nn.Hardtanh",
    range="[min_val, max_val]",
    limits="min_val, max_val",
    kinks="the derivative is 0 at both ends",
    settings=({"min_val": -2.0, "max_val": 3.0}, {"min_val": 0.1, "max_val": 0.3}, {"max_val": float("inf")}),
    ordered=("min_val", "max_val"),
    keeps_integers=True,
    slopes=lambda **_: (0.0, 1.0),
)
def hard_tanh(x: Array, min_val: Limit = -1.0, max_val: Limit = 1.0) -> Array:
    """The hyperbolic tangent's piecewise-linear form: the input, limited to [-1, 1] or another interval."""
    return clip.value(x, min_val, max_val)


hard_tanh.derive_like(clip)


@elementwise(
    formula=r"\min(\max(x + 3, 0), 6) / 6",
    source="arXiv:1905.02244",
    range="[0, 1]",
    limits="0, 1",
    kinks="the derivative is 0 at both ends, -3 and 3",
    slopes=lambda: (0.0, 1.0 / 6.0),
)
def hard_sigmoid(x: Array) -> Array:
    """The logistic function's piecewise-linear form (in Keras before version 3: hard_sigmoid_keras2)."""
    return clamp(0.0, x + 3.0, 6.0) / 6.0


@hard_sigmoid.derivative
def _(x: Array) -> Array:
    return inside(-3.0, x, 3.0) * (1.0 / 6.0)


@elementwise(
    formula=r"\min(\max(0.2 x + 0.5, 0), 1)",
    source="Keras before version 3, which has it from Theano; ONNX HardSigmoid",
    range="[0, 1]",
    limits="0, 1",
    kinks="the derivative is 0 at both ends, -2.5 and 2.5",
    slopes=lambda: (0.0, 0.2),
)
def hard_sigmoid_keras2(x: Array) -> Array:
    """The steeper hard sigmoid of Keras before version 3, a line between -2.5 and 2.5."""
    return clamp(0.0, x + 2.5, 5.0) / 5.0


@hard_sigmoid_keras2.derivative
def _(x: Array) -> Array:
    return inside(-2.5, x, 2.5) * 0.2


@elementwise(
    formula=r"\min(\max((x + 1)/2, 0), 1)",
    source="arXiv:1602.02068; jax.nn.sparse_sigmoid",
    range="[0, 1]",
    limits="0, 1",
    kinks="the derivative is 0 at both ends, -1 and 1",
    slopes=lambda: (0.0, 0.5),
)
def sparse_sigmoid(x: Array) -> Array:
    """The derivative of sparse_plus: a line from 0 at -1 to 1 at 1."""
    return clamp(0.0, 0.5 * x + 0.5, 1.0)


@sparse_sigmoid.derivative
def _(x: Array) -> Array:
    return 0.5 * inside(-1.0, x, 1.0)


# -- parabolas -------------------------------------------------------------------------------------------------


@elementwise(
    formula=r"0 \;(x \le -1),\; (x + 1)^2/4 \;(|x| < 1),\; x \;(x \ge 1)",
    source="jax.nn.sparse_plus; arXiv:1602.02068",
    range="[0, inf)",
    limits="0, inf",
    kinks="the first derivative is continuous; the second is 0 at both ends, -1 and 1",
)
def sparse_plus(x: Array) -> Array:
    """Softplus with a finite support: 0 below -1, the input above 1, a parabola between."""
    u = jnp.maximum(x + 1.0, 0.0)
    return jnp.where(x >= 1.0, x, 0.25 * (u * u))


@sparse_plus.derivative
def _(x: Array) -> Array:
    return sparse_sigmoid.value(x)


@sparse_plus.second_derivative
def _(x: Array) -> Array:
    return 0.5 * inside(-1.0, x, 1.0)


@elementwise(
    aliases=("hard_swish",),
    formula=r"x \min(\max(x + 3, 0), 6) / 6",
    source="arXiv:1905.02244",
    range="[-0.375, inf)",
    limits="0, inf",
    kinks="the derivative is 0 up to -3 and 1 from 3 on; the second derivative is 0 at both",
)
def hard_silu(x: Array) -> Array:
    """x * hard_sigmoid(x), the piecewise form of silu."""
    # selects outermost: XLA's CPU backend cuts a product that feeds a sum into materialised pieces
    return jnp.where(x >= 3.0, x, jnp.where(x <= -3.0, 0.0, x * ((x + 3.0) / 6.0)))


@hard_silu.derivative
def _(x: Array) -> Array:
    return jnp.where(x >= 3.0, 1.0, jnp.where(x <= -3.0, 0.0, (2.0 * x + 3.0) / 6.0))


@hard_silu.second_derivative
def _(x: Array) -> Array:
    return inside(-3.0, x, 3.0) * (1.0 / 3.0)


@elementwise(
    formula=r"\tfrac{x}{2} \min(\max(x + 2, 0), 2)",
    source="Brandon 2019, github.com/digantamisra98/H-Mish",
    range="[-0.5, inf)",
    limits="0, inf",
    kinks="the derivative is 0 up to -2 and 1 from 0 on; the second derivative is 0 at both",
)
def hard_mish(x: Array) -> Array:
    """The piecewise form of mish: a parabola on [-2, 0] between 0 and the input."""
    return jnp.where(x >= 0.0, x, jnp.where(x <= -2.0, 0.0, x * (0.5 * (x + 2.0))))


@hard_mish.derivative
def _(x: Array) -> Array:
    return jnp.where(x <= -2.0, 0.0, jnp.minimum(x + 1.0, 1.0))


@hard_mish.second_derivative
def _(x: Array) -> Array:
    return inside(-2.0, x, 0.0)
