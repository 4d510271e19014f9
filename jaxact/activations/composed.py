"""Activations that change the shape, draw noise or check it, as plain functions of the others."""

import inspect
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxact._src.checks import flag, integer, random_key
from jaxact._src.definition import Positive, is_array, read_parameter
from jaxact._src.elementary import profile
from jaxact._src.function import named, promoted, real_array
from jaxact.activations.parametric import prelu
from jaxact.activations.rectifiers import relu
from jaxact.activations.rowwise import softmax

Array = jax.Array


def _of_softmax(owner: str, argument: str, value: Any) -> None:
    """The check of an argument that softmax is given."""
    softmax.definition.bind((), {argument: value})


def _temperature(owner: str, argument: str, value: Any) -> Any:
    parameter = inspect.Parameter(argument, inspect.Parameter.KEYWORD_ONLY, default=1.0, annotation=Positive)
    return read_parameter(parameter).check(owner, value)


@named(key=lambda owner, _, key: random_key(owner, key), temperature=_temperature, hard=flag, axis=_of_softmax)
def gumbel_softmax(
    x: Any,
    key: Array,
    *,
    temperature: float | Array = 1.0,
    hard: bool = False,
    axis: int | Sequence[int] | None = -1,
) -> Array:
    r"""A sample of a categorical distribution with logits `x`, softened so that it has a gradient.

    Formula: ``\mathrm{softmax}((x + g) / temperature)``, g drawn from the standard Gumbel distribution

    Shapes: any with at least the row's axes; the result has the shape of `x`.
    Dtypes: that of `x`; narrower floats get their noise in float32 and are rounded once, at the end; integers are
    promoted as by ``jnp.tanh``.
    Range: [0, 1], a row sums to 1
    Kinks: with `hard`, none in the gradient, which is the soft one; of equal entries the first is taken.
    Saved for the backward: one array, the soft sample in float32 (or float64).

    Args:
      x: A real array or number, the logits.
      key: A random key.
      temperature: A finite number above 0, or an array that broadcasts to `x`, which gets its gradient.
      hard: Give a one at the largest entry of the sample and zeros elsewhere, with the gradient of the soft one
        (straight-through).
      axis: The axis of a row, several, or None for all.

    Returns:
      The sample.

    Raises:
      TypeError: `x` is complex or no array, or `temperature` is of the wrong kind.
      ValueError: `temperature` is not above 0, or an axis is out of range or repeated.

    Source: arXiv:1611.01144
    """
    temperature = _temperature("gumbel_softmax", "temperature", temperature)
    random_key("gumbel_softmax", key)
    flag("gumbel_softmax", "hard", hard)
    x = promoted(real_array("gumbel_softmax", x))
    wide = profile(None, x.dtype).dtype
    jax.eval_shape(lambda v: softmax(v, axis), x)  # a wrong axis is an error before anything is drawn
    noisy = x.astype(wide) + jax.random.gumbel(key, x.shape, wide)
    scale = 1.0 / (jnp.asarray(temperature).astype(wide) if is_array(temperature) else temperature)
    axis = axis if axis is None or not isinstance(axis, Sequence) else tuple(axis)
    soft = softmax(noisy, axis, scale=scale).astype(x.dtype)
    if not hard:
        return soft
    hot = _one_hot(noisy, axis).astype(x.dtype)
    return lax.stop_gradient(hot) + (soft - lax.stop_gradient(soft))  # exactly hot: the bracket is exactly 0


def _one_hot(x: Array, axis: int | tuple[int, ...] | None) -> Array:
    """Whether an entry is the first largest of its row; softmax has checked the axis."""
    asked = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = asked if x.ndim else ()
    if not x.size:
        return jnp.zeros(x.shape, bool)
    behind = tuple(range(x.ndim - len(axes), x.ndim))
    moved = jnp.moveaxis(x, axes, behind)
    rows = moved.reshape((*moved.shape[: x.ndim - len(axes)], -1))
    largest = jnp.argmax(rows, axis=-1, keepdims=True)
    hot = jnp.arange(rows.shape[-1], dtype=largest.dtype) == largest
    return jnp.moveaxis(hot.reshape(moved.shape), behind, axes)


@named(axis=integer)
def crelu(x: Any, axis: int = -1) -> Array:
    r"""The positive and the negative part of `x`, one behind the other.

    Formula: ``[\max(x, 0), \max(-x, 0)]``

    Shapes: any of at least one dimension; that of the result is twice as long along `axis`.
    Dtypes: that of `x`; integers are promoted as by ``jnp.tanh``.
    Range: [0, inf)
    Kinks: at 0, where the derivative of both parts is 0.
    Saved for the backward: the result, which the next layer keeps anyway.

    Args:
      x: A real array.
      axis: Along which the parts are put together.

    Returns:
      The concatenation.

    Raises:
      TypeError: `x` is complex or no array.
      ValueError: `axis` is out of range.

    Source: arXiv:1603.05201
    """
    x = promoted(real_array("crelu", x))
    axis = _axis("crelu", axis, x)
    return relu(jnp.concatenate([x, -x], axis=axis))


@named(num_pieces=integer, axis=integer)
def maxout(x: Any, num_pieces: int, axis: int = -1) -> Array:
    r"""The largest of each group of `num_pieces` neighbours.

    Formula: ``y_i = \max_{j < k} x_{k i + j}``, k = num_pieces

    Shapes: any of at least one dimension; that of the result is `num_pieces` times shorter along `axis`.
    Dtypes: that of `x`; integers are promoted as by ``jnp.tanh``.
    Range: that of `x`
    Kinks: equal entries of a group share its gradient equally.
    Saved for the backward: the input and the result.

    Args:
      x: A real array.
      num_pieces: How many neighbours form a group; it divides the size of the axis.
      axis: The axis of the groups.

    Returns:
      The maxima.

    Raises:
      TypeError: `x` is complex or no array, or `num_pieces` is no integer.
      ValueError: `axis` is out of range, or `num_pieces` is below 1 or does not divide its size.

    Source: arXiv:1302.4389
    """
    x = promoted(real_array("maxout", x))
    axis = _axis("maxout", axis, x)
    num_pieces = integer("maxout", "num_pieces", num_pieces)
    size = x.shape[axis]
    if num_pieces < 1 or size % num_pieces:
        raise ValueError(f"maxout: num_pieces must divide the {size} entries of axis {axis}, got {num_pieces}")
    groups = x.reshape((*x.shape[:axis], size // num_pieces, num_pieces, *x.shape[axis + 1 :]))
    return jnp.max(groups, axis=axis + 1)


def _slope(owner: str, argument: str, value: Any) -> None:
    prelu.definition.parameters[argument].check(owner, value)


@named(options=prelu, axis=integer, negative_slope=_slope)
def prelu_channelwise(x: Any, negative_slope: Any, axis: int = 1, **options: Any) -> Array:
    r"""`prelu` with one slope for each channel, where channels need not be last.

    Formula: ``\max(x, 0) + s_c \min(x, 0)``, c the index along `axis`

    Shapes: any; that of the result is the same.
    Dtypes: those of `prelu`.
    Range: (-inf, inf)
    Kinks: the derivative at 0 is the slope.
    Saved for the backward: the input.

    Args:
      x: A real array.
      negative_slope: A number, an array of one, or a vector with a slope for each channel.
      axis: The channel axis, 1 as in torch.nn.PReLU.
      **options: Those of `prelu`.

    Returns:
      An array of the shape of `x`.

    Raises:
      TypeError: `x` is complex or no array, or a slope is no number.
      ValueError: The slopes are no vector of the size of the axis, or `axis` is out of range.
    """
    if is_array(negative_slope) and negative_slope.size != 1:
        x = real_array("prelu_channelwise", x)
        axis = _axis("prelu_channelwise", axis, x)
        if negative_slope.shape != (x.shape[axis],):
            raise ValueError(
                f"prelu_channelwise: negative_slope {negative_slope.shape} must have a slope for each of the "
                f"{x.shape[axis]} channels along axis {axis} of x {x.shape}; did you mean another axis?"
            )
        negative_slope = negative_slope.reshape(-1, *(1,) * (x.ndim - axis - 1))
    elif is_array(negative_slope):
        negative_slope = negative_slope.reshape(())
    return prelu(x, negative_slope, **options)


@named(options=softmax, axis=_of_softmax, where=_of_softmax, scale=_of_softmax)
def softmax_keras2(x: Any, axis: int | Sequence[int] = -1, where: Any = None, **options: Any) -> Array:
    """`softmax` as Keras before version 3 has it: a vector without a batch axis is an error.

    Shapes: at least two axes; that of the result is the same.
    Dtypes: those of `softmax`.
    Range: [0, 1], a row sums to 1
    Kinks: none
    Saved for the backward: the result.

    Args:
      x: A real array.
      axis: The axis of a row, or several.
      where: Which entries take part.
      **options: Those of `softmax`.

    Returns:
      An array of the shape of `x`.

    Raises:
      TypeError: `x` is complex or no array.
      ValueError: `x` has fewer than two axes, or `axis` is out of range.
    """
    x = real_array("softmax_keras2", x)
    if x.ndim < 2:
        raise ValueError(
            f"softmax_keras2: x must have two axes or more, as in Keras before version 3, got shape {x.shape}; "
            "add a batch axis or use softmax"
        )
    return softmax(x, axis, where, **options)


def _axis(owner: str, axis: int, x: Array) -> int:
    """The axis counted from the left."""
    axis = integer(owner, "axis", axis)
    if not -x.ndim <= axis < x.ndim:
        raise ValueError(f"{owner}: axis {axis} is out of range for x of shape {x.shape}")
    return axis % x.ndim
