"""The rectifiers: x where it is large enough, else next to nothing. Straight lines but for relu_squared."""

import jax
import jax.numpy as jnp

from jaxact._src.definition import Nonnegative, Real, is_array
from jaxact._src.function import elementwise
from jaxact.activations._cases import check_monotonous, clamp, inside, short, step

Array = jax.Array


@elementwise(
    aliases=("linear",),
    formula="x",
    range="(-inf, inf)",
    limits="-inf, inf",
    keeps_integers=True,
    passes=True,
)
def identity(x: Array) -> Array:
    """Identity: the input, handed on; its derivative is 1 at NaN too."""
    return x


@identity.derivative
def _(x: Array) -> Array:
    return jnp.ones_like(x)


@identity.output_derivative(exact=True)
def _(y: Array) -> Array:
    return jnp.ones_like(y)


# -- relu and its variants -------------------------------------------------------------------------------------


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
    selects=True,
    slopes=lambda negative_slope, max_value, threshold: (
        (negative_slope, 1.0) if max_value is None or negative_slope == 0 else None
    ),
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
    return step(_rectified(x, negative_slope, threshold) >= max_value, x)


# y tells on which piece x lies unless two pieces share values.
@relu.output_derivative(
    exact=lambda negative_slope, max_value, threshold: (
        threshold == 0 and negative_slope >= 0 and (max_value is None or (max_value > 0 and short(max_value)))
    )
)
def _(y: Array, negative_slope: Real, max_value: Nonnegative | None, threshold: Nonnegative) -> Array:
    check_monotonous("relu", "negative_slope", negative_slope)
    inner = jnp.where(y > threshold, 1.0, negative_slope)
    return inner if max_value is None else jnp.where(y < max_value, inner, 0.0)


@elementwise(
    formula=r"\min(\max(x, 0), 6)",
    source="Krizhevsky 2010, Convolutional deep belief networks on CIFAR-10",
    range="[0, 6]",
    limits="0, 6",
    kinks="the derivative is 0 at both ends, 0 and 6",
    slopes=lambda: (0.0, 1.0),
)
def relu6(x: Array) -> Array:
    """Rectified linear unit capped at 6."""
    return clamp(0, x, 6)


@relu6.derivative
def _(x: Array) -> Array:
    return inside(0.0, x, 6.0)


@relu6.output_derivative(exact=True)
def _(y: Array) -> Array:
    return inside(0.0, y, 6.0)


@elementwise(
    formula=r"\max(x, 0) + s \min(x, 0)",
    source="Maas, Hannun and Ng 2013",
    range="(-inf, inf)",
    limits="-inf, inf",
    kinks="the derivative at 0 is negative_slope",
    settings=({"negative_slope": 0.2}, {"negative_slope": 1.5}, {"negative_slope": -0.3}),
    slopes=lambda negative_slope: (negative_slope, 1.0),
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
    check_monotonous("leaky_relu", "negative_slope", negative_slope)
    return jnp.where(y > 0, 1.0, negative_slope)


@elementwise(
    aliases=("squared_relu", "relu2"),
    formula=r"\max(x, 0)^2",
    source="arXiv:2109.08668",
    range="[0, inf)",
    limits="0, inf",
    kinks="the second derivative at 0 is 0",
)
def relu_squared(x: Array) -> Array:
    """The square of the rectified linear unit."""
    positive = jnp.maximum(x, 0.0)
    return positive * positive


@relu_squared.derivative
def _(x: Array) -> Array:
    return 2.0 * jnp.maximum(x, 0.0)


@relu_squared.second_derivative
def _(x: Array) -> Array:
    return 2.0 * step(x > 0, x)


# -- with a threshold ------------------------------------------------------------------------------------------


@elementwise(
    formula=r"x \;(x > t),\; v \;(x \le t)",
    source="torch.nn.Threshold; keras.activations.threshold",
    range="{value} and (threshold, inf)",
    limits="value, inf",
    kinks="the derivative at the threshold is 0",
    settings=({"threshold": -0.5, "value": -0.25}, {"threshold": 0.0, "value": 0.0}),
    slopes=lambda **_: (0.0, 1.0),
)
def threshold(x: Array, threshold: Real, value: Real) -> Array:
    """The input above the threshold, a given value else."""
    return jnp.where(x <= threshold, value, x)


@threshold.derivative
def _(x: Array, threshold: Real, value: Real) -> Array:
    return step(x > threshold, x)


@threshold.derivative("threshold")
def _(x: Array, threshold: Real, value: Real) -> Array:
    return jnp.zeros_like(x)


@threshold.derivative("value")
def _(x: Array, threshold: Real, value: Real) -> Array:
    return step(x <= threshold, x)


@elementwise(
    formula=r"x \;(x > \theta),\; 0 \;(x \le \theta)",
    source="arXiv:1402.3337",
    range="{0} and (theta, inf)",
    limits="0, inf",
    kinks="the derivative at theta is 0",
    settings=({"theta": 0.1}, {"theta": 0.0}, {"theta": -0.5}),
    slopes=lambda **_: (0.0, 1.0),
)
def thresholded_relu(x: Array, theta: Real = 1.0) -> Array:
    """The input above theta, 0 else."""
    return jnp.where(x <= theta, 0.0, x)


@thresholded_relu.derivative
def _(x: Array, theta: Real) -> Array:
    return step(x > theta, x)


@thresholded_relu.derivative("theta")
def _(x: Array, theta: Real) -> Array:
    return jnp.zeros_like(x)


@thresholded_relu.output_derivative(exact=lambda theta: theta >= 0)
def _(y: Array, theta: Real) -> Array:
    return step(y != 0, y)


@elementwise(
    formula=r"x \;(x > t),\; 0 \;(x \le t)",
    source="Kurtz et al. 2020, Inducing and exploiting activation sparsity; MiniCPM-S uses 0.01",
    range="{0} and (threshold, inf)",
    limits="0, inf",
    kinks="the derivative at the threshold is 0",
    settings=({"threshold": 0.5}, {"threshold": 0.0}, {"threshold": 0.1}),
    slopes=lambda **_: (0.0, 1.0),
)
def fat_relu(x: Array, threshold: Nonnegative = 0.01) -> Array:
    """Forced-activation-threshold relu: thresholded_relu with a small threshold that makes outputs sparse."""
    return thresholded_relu.value(x, threshold)


fat_relu.derive_like(thresholded_relu)


@elementwise(
    formula=r"x \;(|x| > t),\; 0 \;(|x| \le t)",
    source="Donoho and Johnstone 1994; torch.nn.Hardshrink",
    range="{0} and |y| > threshold",
    limits="-inf, inf",
    kinks="the derivative is 0 at both thresholds",
    settings=({"threshold": 1.0}, {"threshold": 0.1}, {"threshold": 0.0}),
    slopes=lambda **_: (0.0, 1.0),
)
def hard_shrink(x: Array, threshold: Nonnegative = 0.5) -> Array:
    """Hard thresholding: 0 between the thresholds, the input outside."""
    return jnp.where(jnp.abs(x) <= threshold, 0.0, x)


@hard_shrink.derivative
def _(x: Array, threshold: Nonnegative) -> Array:
    return step(jnp.abs(x) > threshold, x)


@hard_shrink.derivative("threshold")
def _(x: Array, threshold: Nonnegative) -> Array:
    return jnp.zeros_like(x)


@hard_shrink.output_derivative(exact=True)
def _(y: Array, threshold: Nonnegative) -> Array:
    return step(y != 0, y)


@elementwise(
    formula=r"x - \min(\max(x, -t), t)",
    source="Donoho and Johnstone 1994; torch.nn.Softshrink",
    range="(-inf, inf)",
    limits="-inf, inf",
    kinks="the derivative is 0 at both thresholds",
    settings=({"threshold": 1.0}, {"threshold": 0.1}, {"threshold": 0.0}),
    slopes=lambda **_: (0.0, 1.0),
)
def soft_shrink(x: Array, threshold: Nonnegative = 0.5) -> Array:
    """Soft thresholding: 0 between the thresholds, the input moved towards 0 by the threshold outside."""
    return x - clamp(-threshold, x, threshold)


@soft_shrink.derivative
def _(x: Array, threshold: Nonnegative) -> Array:
    return step(jnp.abs(x) > threshold, x)


@soft_shrink.derivative("threshold")
def _(x: Array, threshold: Nonnegative) -> Array:
    return step(x < -threshold, x) - step(x > threshold, x)


@soft_shrink.output_derivative(exact=lambda **bound: short(bound["threshold"]))
def _(y: Array, threshold: Nonnegative) -> Array:
    return step(y != 0, y)
