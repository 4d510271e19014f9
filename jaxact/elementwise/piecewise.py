"""Activations by cases: straight lines and parabolas. They lower to max and clamp, which XLA fuses into a GEMM."""

import jax
import jax.numpy as jnp
from jax import lax

from jaxact._src.definition import Nonnegative, Real, is_array
from jaxact._src.function import elementwise

Array = jax.Array


def _step(condition: Array, x: Array) -> Array:
    """1 where the condition holds, else 0, in the dtype of x."""
    return condition.astype(x.dtype)


def _clamp(low: Real, x: Array, high: Real) -> Array:
    """clip that keeps NaN and, for numbers, is a single clamp."""
    if is_array(low) or is_array(high):
        return jnp.minimum(jnp.maximum(x, low), high)
    return lax.clamp(jnp.asarray(low, x.dtype), x, jnp.asarray(high, x.dtype))


@elementwise(aliases=("linear",), formula="x", range="(-inf, inf)", limits="-inf, inf", keeps_integers=True)
def identity(x: Array) -> Array:
    """Identity: the input, unchanged."""
    return x


@identity.derivative
def _(x: Array) -> Array:
    return jnp.ones_like(x)


@identity.output_derivative(exact=True)
def _(y: Array) -> Array:
    return jnp.ones_like(y)


# -- the rectifiers --------------------------------------------------------------------------------------------


@elementwise(
    formula=r"\max(x, 0)",
    source="Nair and Hinton 2010; the parameters are Keras's, keras.io/api/layers/activation_layers/relu",
    range="[0, inf)",
    limits="0, inf",
    kinks="the derivative is negative_slope at the threshold (0 by default) and 0 from max_value on",
    settings=(
        {"negative_slope": 0.1},
        {"max_value": 6.0},
        {"threshold": 1.5},
        {"negative_slope": 0.25, "max_value": 2.0, "threshold": 0.5},
        {"negative_slope": -0.5},
    ),
    keeps_integers=True,
)
def relu(
    x: Array, negative_slope: Real = 0.0, max_value: Nonnegative | None = None, threshold: Nonnegative = 0.0
) -> Array:
    """Rectified linear unit: x above the threshold, else negative_slope * (x - threshold), at most max_value."""
    y = _rectified(x, negative_slope, threshold)
    return y if max_value is None else jnp.minimum(y, max_value)


def _rectified(x: Array, slope: Real, threshold: Nonnegative) -> Array:
    if not is_array(threshold) and threshold == 0:
        return _leaky(x, slope)
    flat = not is_array(slope) and slope == 0
    below = jnp.zeros_like(x) if flat else slope * (x - threshold)  # 0 * x would be NaN at -inf
    return jnp.where(x <= threshold, below, x)


def _leaky(x: Array, slope: Real) -> Array:
    if is_array(slope):
        return jnp.where(x > 0, x, jnp.where(slope == 0, jnp.zeros_like(x), slope * x))
    if slope == 0:
        return jnp.maximum(x, 0)
    if 0 < slope <= 1:
        return jnp.maximum(x, slope * x)
    return jnp.minimum(x, slope * x) if slope > 1 else jnp.where(x > 0, x, slope * x)


@relu.derivative
def _(x: Array, negative_slope: Real, max_value: Nonnegative | None, threshold: Nonnegative) -> Array:
    inner = jnp.where(x > threshold, 1.0, negative_slope)
    if max_value is None:
        return inner
    return jnp.where(_rectified(x, negative_slope, threshold) < max_value, inner, 0.0)


@relu.second_derivative
def _(x: Array, negative_slope: Real, max_value: Nonnegative | None, threshold: Nonnegative) -> Array:
    return jnp.zeros_like(x)


@relu.derivative("negative_slope")
def _(x: Array, negative_slope: Real, max_value: Nonnegative | None, threshold: Nonnegative) -> Array:
    inner = jnp.where(x > threshold, 0.0, x - threshold)
    if max_value is None:
        return inner
    return jnp.where(_rectified(x, negative_slope, threshold) < max_value, inner, 0.0)


@relu.derivative("threshold")
def _(x: Array, negative_slope: Real, max_value: Nonnegative | None, threshold: Nonnegative) -> Array:
    inner = jnp.where(x > threshold, 0.0, -negative_slope)
    if max_value is None:
        return inner
    return jnp.where(_rectified(x, negative_slope, threshold) < max_value, inner, 0.0)


@relu.derivative("max_value")
def _(x: Array, negative_slope: Real, max_value: Nonnegative, threshold: Nonnegative) -> Array:
    return _step(_rectified(x, negative_slope, threshold) >= max_value, x)


# y tells on which piece x lies unless two pieces share values.
@relu.output_derivative(
    exact=lambda negative_slope, max_value, threshold: (
        threshold == 0 and negative_slope >= 0 and (max_value is None or max_value > 0)
    )
)
def _(y: Array, negative_slope: Real, max_value: Nonnegative | None, threshold: Nonnegative) -> Array:
    inner = jnp.where(y > threshold, 1.0, negative_slope)
    return inner if max_value is None else jnp.where(y < max_value, inner, 0.0)


@elementwise(
    formula=r"\min(\max(x, 0), 6)",
    source="Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10",
    range="[0, 6]",
    limits="0, 6",
    kinks="the derivative is 0 at both ends, 0 and 6",
)
def relu6(x: Array) -> Array:
    """Rectified linear unit capped at 6."""
    return _clamp(0, x, 6)


@relu6.derivative
def _(x: Array) -> Array:
    return _step((x > 0) & (x < 6), x)


@relu6.output_derivative(exact=True)
def _(y: Array) -> Array:
    return _step((y > 0) & (y < 6), y)


@elementwise(
    formula=r"\max(x, 0) + s \min(x, 0)",
    source="Maas, Hannun and Ng 2013",
    range="(-inf, inf)",
    limits="-inf, inf",
    kinks="the derivative at 0 is negative_slope",
    settings=({"negative_slope": 0.2}, {"negative_slope": 1.5}, {"negative_slope": -0.3}),
)
def leaky_relu(x: Array, negative_slope: Real = 0.01) -> Array:
    """Leaky rectified linear unit: x above 0, negative_slope * x below."""
    return _leaky(x, negative_slope)


@leaky_relu.derivative
def _(x: Array, negative_slope: Real) -> Array:
    return jnp.where(x > 0, 1.0, negative_slope)


@leaky_relu.second_derivative
def _(x: Array, negative_slope: Real) -> Array:
    return jnp.zeros_like(x)


@leaky_relu.derivative("negative_slope")
def _(x: Array, negative_slope: Real) -> Array:
    return jnp.minimum(x, 0.0)


@leaky_relu.output_derivative(exact=lambda negative_slope: negative_slope > 0)
def _(y: Array, negative_slope: Real) -> Array:
    return jnp.where(y > 0, 1.0, negative_slope)
