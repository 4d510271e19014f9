"""Trainable activations that are more than a function of one element: of rows, of a key, of a small network."""

import functools
import inspect
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxact._src import mapped
from jaxact._src.checks import integer, random_key, shown
from jaxact._src.definition import Positive, Real, is_array, read_parameter
from jaxact._src.elementary import profile
from jaxact._src.function import named, promoted, real_array
from jaxact._src.select import Implementation
from jaxact.activations.blends import acon_c
from jaxact.activations.logistic import sigmoid
from jaxact.activations.rational import DENOMINATOR, NUMERATOR, pade
from jaxact.activations.rectifiers import leaky_relu

Array = jax.Array


def _number(name: str, domain: Any) -> Any:
    return read_parameter(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=1.0, annotation=domain))


def _static(owner: str, name: str, value: Any, domain: Any = Real) -> float:
    """A parameter that is a number."""
    if is_array(value):
        raise TypeError(f"{owner}: {name} must be a number, got an array of shape {value.shape}")
    return float(_number(name, domain).check(owner, value))


_above_0 = functools.partial(_static, domain=Positive)


def _number_or_array(owner: str, name: str, value: Any) -> Any:
    return _number(name, Real).check(owner, value)


def _real(owner: str, name: str, value: Any, like: Array) -> Array:
    """A parameter as a floating array."""
    value = jnp.asarray(_number_or_array(owner, name, value))
    return value if jnp.issubdtype(value.dtype, jnp.floating) else value.astype(like.dtype)


# -- rational: the coefficients in two arrays --------------------------------------------------------------------


def _coefficients(what: str, values: Any, names: tuple[str, ...]) -> dict[str, Any]:
    if values is None:
        return {}
    shape = np.shape(values)
    if shape[-1:] != (len(names),):
        raise ValueError(f"rational: {what} must have {len(names)} entries along its last axis, got shape {shape}")
    if is_array(values):
        return {n: values[..., k] for k, n in enumerate(names)}
    return dict(zip(names, values))


@named(
    numerator=lambda _, name, values: _coefficients(name, values, NUMERATOR),
    denominator=lambda _, name, values: _coefficients(name, values, DENOMINATOR),
)
def rational(
    x: Any, numerator: Any = None, denominator: Any = None, *, implementation: Implementation | None = None
) -> Array:
    r"""Rational activation of degrees 5 and 4, its coefficients in two arrays; `pade` with each of them by name.

    Formula: ``\frac{\sum_{k=0}^5 a_k x^k}{1 + \sum_{k=1}^4 |b_k x^k|}``

    Shapes: any; `numerator` (..., 6) and `denominator` (..., 4), whose leading axes broadcast against `x` from the
    right, such as (channels, 6).
    Dtypes: that of `x`; narrower floats are computed in float32 and rounded once; integers are promoted as by
    ``jnp.tanh``.
    Saved for the backward: the input and the coefficients.

    Args:
      x: A real array or number.
      numerator: a0 to a5, an array (which gets its gradient) or a sequence of numbers; None for those of `pade`,
        which approximate leaky_relu.
      denominator: b1 to b4 likewise.
      implementation: As for every activation.

    Returns:
      An array of the shape of `x` (broadcast with the coefficients) and its dtype.

    Raises:
      TypeError: `x` or the coefficients are complex or no arrays.
      ValueError: There are not 6 and 4 coefficients, or they do not broadcast against `x`.

    Source: arXiv:1907.06732; version A of github.com/ml-research/rational_activations
    """
    named = _coefficients("numerator", numerator, NUMERATOR) | _coefficients(
        "denominator", denominator, DENOMINATOR
    )
    return pade(x, implementation=implementation, **named)


# -- rrelu -------------------------------------------------------------------------------------------------------


@named(key=lambda owner, _, key: key if key is None else random_key(owner, key), lower=_static, upper=_static)
def rrelu(
    x: Any,
    key: Array | None = None,
    *,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    implementation: Implementation | None = None,
) -> Array:
    r"""Randomised leaky rectifier: each element below 0 gets a slope drawn from [lower, upper).

    Formula: ``\max(x, 0) + s \min(x, 0)``, s uniform with a key, (lower + upper) / 2 without one

    Shapes: any; the result has the shape of `x`.
    Dtypes: that of `x`; slopes are drawn in float32 (float64 for float64), and narrower floats are rounded once;
    integers are promoted as by ``jnp.tanh``.
    Range: (-inf, inf)
    Kinks: the derivative at 0 is the slope, as in PyTorch.
    Saved for the backward: the input and the key, from which the slopes are drawn again.

    Args:
      x: A real array or number.
      key: A random key, for training; None for the mean slope.
      lower: The smallest slope.
      upper: The largest slope.
      implementation: As for every activation.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      TypeError: `x` is complex or no array, or a limit is no number.
      ValueError: `lower` exceeds `upper`, or a limit is not finite.

    Source: Xu, Wang, Chen and Li 2015, arXiv:1505.00853; torch.nn.RReLU
    """
    low, high = (_static("rrelu", n, v) for n, v in (("lower", lower), ("upper", upper)))
    if low > high:
        raise ValueError(f"rrelu: lower must not exceed upper, got lower={low:g} and upper={high:g}")
    if key is None:
        return leaky_relu(x, 0.5 * (low + high), implementation=implementation)
    random_key("rrelu", key)
    return _rrelu(promoted(real_array("rrelu", x)), key, low, high, implementation)


@functools.partial(jax.jit, static_argnums=(2, 3, 4))
def _rrelu(x: Array, key: Array, lower: float, upper: float, implementation: Any) -> Array:
    @jax.checkpoint
    def drawn_again(x: Array, key: Array) -> Array:
        slopes = jax.random.uniform(key, x.shape, profile(None, x.dtype).dtype, lower, upper)
        return leaky_relu(x, slopes, implementation=implementation)

    return drawn_again(x, key)


# -- meta_acon ---------------------------------------------------------------------------------------------------


@named(axis=integer, p1=_number_or_array, p2=_number_or_array)
def meta_acon(
    x: Any,
    w1: Array,
    b1: Array,
    w2: Array,
    b2: Array,
    p1: Any = 1.0,
    p2: Any = 0.0,
    *,
    axis: int = -1,
    implementation: Implementation | None = None,
) -> Array:
    r"""ACON-C with a steepness that two dense layers make of the mean of each channel.

    Formula: ``\mathrm{acon\_c}(x, p_1, p_2, \beta),\; \beta = \sigma((\bar{x} W_1 + b_1) W_2 + b_2)``

    Shapes: `x` (batch, ..., channels), or with the channels elsewhere; the mean is over all axes but the first and
    that of the channels. `w1` (channels, r), `b1` (r,), `w2` (r, channels), `b2` (channels,); `p1` and `p2` a
    number, () or (channels,).
    Dtypes: that of `x`; mean and layers in float32 or float64; integers are promoted as by ``jnp.tanh``.
    Range: as acon_c
    Saved for the backward: the input, the parameters, and arrays of a number a channel of each sample.

    Args:
      x: A real array of at least two dimensions.
      w1: Weights of the first layer.
      b1: Its bias.
      w2: Weights of the second layer.
      b2: Its bias.
      p1: The slope of one line.
      p2: The slope of the other.
      axis: The axis of the channels, not the first.
      implementation: As for every activation.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      TypeError: `x` is complex or no array.
      ValueError: `x` has fewer than two dimensions, the channels are the first axis, or a shape does not fit.

    Source: Ma, Zhang, Liu and Sun 2021, Activate or not, arXiv:2009.04759; its code puts batch normalisation
    behind each layer, which inference folds into weights and biases
    """
    x = promoted(real_array("meta_acon", x))
    axis = integer("meta_acon", "axis", axis)
    if x.ndim < 2 or not -x.ndim <= axis < x.ndim or axis % x.ndim == 0:
        raise ValueError(f"meta_acon: axis {axis} must be one behind the batch, got x of shape {x.shape}")
    axis %= x.ndim
    layers = [_real("meta_acon", n, v, x) for n, v in (("w1", w1), ("b1", b1), ("w2", w2), ("b2", b2))]
    channels, hidden = x.shape[axis], layers[0].shape[-1] if layers[0].ndim else 0
    for name, layer, shape in zip(
        ("w1", "b1", "w2", "b2"), layers, ((channels, hidden), (hidden,), (hidden, channels), (channels,))
    ):
        if layer.shape != shape:
            raise ValueError(f"meta_acon: {name} must have shape {shape} for x {x.shape}, got {layer.shape}")
    behind = (1,) * (x.ndim - 1 - axis)
    slopes = [_by_channel(n, p, channels, behind) for n, p in (("p1", p1), ("p2", p2))]
    wide = profile(None, x.dtype).dtype
    others = tuple(a for a in range(1, x.ndim) if a != axis)
    value = jnp.mean(x.astype(wide), axis=others)
    for weights, bias in (layers[:2], layers[2:]):
        value = jnp.dot(value, weights.astype(wide), precision=lax.Precision.HIGHEST) + bias.astype(wide)
    beta = sigmoid(value).reshape((x.shape[0], *(1,) * (axis - 1), channels, *behind))
    return acon_c(x, *slopes, beta, implementation=implementation)


def _by_channel(name: str, value: Any, channels: int, behind: tuple[int, ...]) -> Any:
    """A slope that broadcasts against x from the right."""
    if not is_array(value) or value.ndim == 0:
        return value
    if value.shape != (channels,):
        raise ValueError(f"meta_acon: {name} must be a number, () or ({channels},), got shape {value.shape}")
    return value.reshape((channels, *behind))


# -- poly_norm ---------------------------------------------------------------------------------------------------


def _three(owner: str, name: str, weight: Any) -> Any:
    """Weights, an array or a sequence of numbers."""
    try:
        return weight if is_array(weight) else np.asarray(weight, np.float32)
    except (TypeError, ValueError):
        raise TypeError(f"{owner}: {name} must be three numbers or an array, got {shown(weight)}") from None


@named(weight=_three, bias=_number_or_array, eps=_above_0)
def poly_norm(
    x: Any,
    weight: Any = (1 / 3, 1 / 3, 1 / 3),
    bias: Any = 0.0,
    *,
    eps: float = 1e-6,
    implementation: Implementation | None = None,
) -> Array:
    r"""A polynomial whose powers are normalised along the last axis.

    Formula: ``w_0 n(x^3) + w_1 n(x^2) + w_2 n(x) + b,\; n(z) = z / \sqrt{\mathrm{mean}(z^2) + \epsilon}``

    Shapes: any of at least one dimension; the result has the shape of `x`.
    Dtypes: that of `x`; narrower floats are computed in float32 and rounded once, and powers do not overflow;
    integers are promoted as by ``jnp.tanh``.
    Range: (-inf, inf)
    Saved for the backward: the input and the parameters.

    Args:
      x: A real array.
      weight: The three weights, that of the third power first, as in the paper's code.
      bias: A number, or an array that broadcasts against `x` from the right.
      eps: A finite number above 0.
      implementation: As for every activation.

    Returns:
      An array of the shape and dtype of `x`.

    Raises:
      TypeError: `x` or a parameter is complex or no array, or `eps` is no number.
      ValueError: `x` has no axis, `weight` not three entries, `bias` does not broadcast, or `eps` is not above 0.

    Source: Zhuo et al. 2024, Polynomial composition activations, arXiv:2411.03884, and ``PolyNorm`` of
    github.com/BryceZhuo/PolyCom, whose weights start at 1/3 and whose bias, of shape (1,), at 0
    """
    x = promoted(real_array("poly_norm", x))
    if not x.ndim:
        raise ValueError("poly_norm: x must have at least one axis, got a number")
    eps = _above_0("poly_norm", "eps", eps)
    weight = _real("poly_norm", "weight", _three("poly_norm", "weight", weight), x)
    bias = _real("poly_norm", "bias", bias, x)
    if weight.shape != (3,):
        raise ValueError(f"poly_norm: weight must have shape (3,), got {weight.shape}")
    if jnp.broadcast_shapes(bias.shape, x.shape) != x.shape:
        raise ValueError(f"poly_norm: bias must broadcast to x {x.shape}, got {bias.shape}")
    return mapped.run("poly_norm", _poly_norm, (x, weight, bias), implementation, eps=eps) if x.size else x


def _poly_norm(x: Array, weight: Array, bias: Array, *, eps: float) -> Array:
    # in units of the largest entry, whose powers are 1; the result does not depend on the unit
    scale = 1.0 / lax.stop_gradient(jnp.maximum(jnp.max(jnp.abs(x), axis=-1, keepdims=True), 1.0))
    z = x * scale
    total, power, unit = bias, jnp.ones_like(z), jnp.ones_like(scale)
    for i in (2, 1, 0):
        power, unit = power * z, unit * scale
        mean = jnp.mean(power * power, axis=-1, keepdims=True)
        total = total + weight[..., i : i + 1] * (power * lax.rsqrt(mean + eps * (unit * unit)))
    return total
