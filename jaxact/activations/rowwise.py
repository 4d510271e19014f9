"""Activations over rows: softmax and its logarithm, and the sparse ones, sparsemax and entmax."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from jaxact._src.definition import AboveOne, is_array
from jaxact._src.elementary import profile
from jaxact._src.rowwise import Axes, rowwise

Array = jax.Array


def _centred(x: Array, axes: Axes) -> Array:
    """x minus the maximum of its row; a row of nothing but -inf stays as it is.

    Nothing stands between a reduction and its use, here and below: only so XLA makes one pass of it on GPUs.
    """
    top = lax.stop_gradient(jnp.max(x, axis=axes, keepdims=True))
    return jnp.where(x == -jnp.inf, x, x - top)


def _total(x: Array, axes: Axes) -> Array:
    return jnp.sum(x, axis=axes, keepdims=True)


def _share(weights: Array, axes: Axes) -> Array:
    """Each weight over the row's total; a row of zeros stays zero."""
    return jnp.where(weights == 0.0, weights, weights / _total(weights, axes))


# -- softmax: XLA's own exp, because a polynomial one beside a reduction is cut into materialised pieces ----------


@rowwise(
    residual="output",
    formula=r"e^{x_i} / \sum_j e^{x_j}",
    source="Bridle 1990; jax.nn.softmax",
    range="[0, 1], a row sums to 1",
    limits="0 at -inf",
)
def softmax(x: Array, axes: Axes) -> Array:
    """The exponentials of a row, divided by their sum."""
    return _share(jnp.exp(_centred(x, axes)), axes)


@softmax.linear
def _(y: Array, t: Array, axes: Axes) -> Array:
    return y * (t - _total(y * t, axes))


@rowwise(
    residual="output",
    sign=-1.0,
    formula=r"e^{-x_i} / \sum_j e^{-x_j}",
    source="torch.nn.Softmin",
    range="[0, 1], a row sums to 1",
    limits="0 at +inf",
)
def softmin(x: Array, axes: Axes) -> Array:
    """Softmax of -x."""
    return softmax.value(x, axes)  # the sign is in its record, so that excluded entries are -inf here too


@softmin.linear
def _(y: Array, t: Array, axes: Axes) -> Array:
    return y * (t - _total(y * t, axes))


@rowwise(
    residual="input",
    formula=r"x_i - \log \sum_j e^{x_j}",
    source="jax.nn.log_softmax",
    range="(-inf, 0]",
    limits="-inf at -inf",
)
def log_softmax(x: Array, axes: Axes) -> Array:
    """The logarithm of softmax. Excluded entries give -inf."""
    z = _centred(x, axes)
    return jnp.where(z == -jnp.inf, z, z - jnp.log(_total(jnp.exp(z), axes)))


@log_softmax.linear
def _(y: Array, t: Array, axes: Axes) -> Array:
    return jnp.where(y == -jnp.inf, 0.0, t - _total(jnp.exp(y) * t, axes))


@log_softmax.transpose
def _(x: Array, ct: Array, axes: Axes) -> Array:
    z = _centred(x, axes)
    included = jnp.where(z == -jnp.inf, 0.0, ct)
    return included - _share(jnp.exp(z), axes) * _total(included, axes)


# -- entmax: p_i = max(z_i - t, 0)^q, z = (alpha - 1) x, q = 1/(alpha - 1), t such that the row sums to 1 --------
#
# With z centred, t lies in [-1, 0). Newton's method on the q-norm (sum p)^(1/q), which is convex in t for
# alpha <= 2, rises monotonically from t = -1: 6 steps for alpha = 1.5, 10 for 2. Beyond 2 the norm is concave and
# its slope infinite at the threshold, so there the interval is halved.


def _threshold(
    z: Array, axes: Axes, powers: Any, exponent: Any, bounds: tuple[float, float] = (-1.0, 0.0)
) -> Array:
    """t by Newton's method, kept between bounds; `powers` gives u^q and u^(q-1), exponent is 2 - alpha."""
    low = jnp.full_like(jnp.max(z, axis=axes, keepdims=True), bounds[0])
    high = jnp.full_like(low, bounds[1])
    steps = jnp.finfo(z.dtype).nmant + 10  # enough for halving alone

    def unfinished(state: Any) -> Array:
        step, moved, *_ = state
        return (step < steps) & jnp.any(moved)

    def improve(state: Any) -> Any:
        step, _, low, high, t = state
        total, slope = (_total(p, axes) for p in powers(jnp.maximum(z - t, 0.0)))
        low, high = jnp.where(total >= 1.0, t, low), jnp.where(total >= 1.0, high, t)
        newton = t + (total - total**exponent) / jnp.where(slope == 0.0, 1.0, slope)
        inside = (newton >= low) & (newton <= high) & (exponent >= 0.0)
        after = jnp.where(inside, newton, 0.5 * (low + high))
        return step + 1, after != t, low, high, after

    start = (jnp.zeros((), jnp.int32), jnp.ones_like(low, bool), low, high, low)
    return lax.while_loop(unfinished, improve, start)[-1]


def _support(y: Array, t: Array, axes: Axes, weights: Array) -> Array:
    """The derivative of entmax: weights on the support, less their share of the total."""
    return weights * (t - _total(weights * t, axes) / jnp.maximum(_total(weights, axes), 1e-30))


@rowwise(
    residual="output",
    formula=r"\max(x_i - \tau, 0), \; \sum_i = 1",
    source="arXiv:1602.02068",
    range="[0, 1], a row sums to 1",
    limits="0 at -inf",
    kinks="the derivative of an entry at the threshold is 0",
)
def sparsemax(x: Array, axes: Axes) -> Array:
    """The projection of a row onto the probability simplex: a softmax with exact zeros."""
    z = _centred(x, axes)
    t = _threshold(z, axes, lambda u: (u, (u > 0.0).astype(u.dtype)), 0.0)
    return _share(jnp.maximum(z - t, 0.0), axes)


@sparsemax.linear
def _(y: Array, t: Array, axes: Axes) -> Array:
    return _support(y, t, axes, jnp.where(jnp.isnan(y), y, (y > 0.0).astype(y.dtype)))


@rowwise(
    residual="output",
    formula=r"\max(x_i/2 - \tau, 0)^2, \; \sum_i = 1",
    source="arXiv:1905.05702",
    range="[0, 1], a row sums to 1",
    limits="0 at -inf",
    kinks="the derivative of an entry at the threshold is 0",
)
def entmax15(x: Array, axes: Axes) -> Array:
    """Entmax with alpha = 1.5, between softmax and sparsemax."""
    z = _centred(0.5 * x, axes)
    t = _threshold(z, axes, lambda u: (u * u, u), 0.5)
    u = jnp.maximum(z - t, 0.0)
    return _share(u * u, axes)


@entmax15.linear
def _(y: Array, t: Array, axes: Axes) -> Array:
    off = y <= 0.0
    return _support(y, t, axes, jnp.where(off, 0.0, jnp.sqrt(jnp.where(off, 1.0, y))))


def _power(u: Array, exponent: Any) -> Array:
    """u**exponent where u > 0, else 0, with a derivative of 0 there; NaN stays NaN."""
    off = u <= 0.0
    return jnp.where(off, 0.0, jnp.where(off, 1.0, u) ** exponent)


@rowwise(
    residual="output",
    formula=r"\max((\alpha - 1) x_i - \tau, 0)^{1/(\alpha - 1)}, \; \sum_i = 1",
    source="arXiv:1905.05702; gradient in alpha: arXiv:1909.00015",
    range="[0, 1], a row sums to 1",
    limits="0 at -inf",
    kinks="the derivative of an entry at the threshold is 0",
)
def entmax(x: Array, axes: Axes, alpha: AboveOne = 1.5) -> Array:
    """Entmax: softmax as alpha goes to 1, sparsemax at 2, sparser beyond.

    Its slope at the threshold is infinite for alpha above 2: from 3 on, an entry beside it has an error of up to
    2**(-48/(alpha - 1)), all that two float32 words can tell.
    """
    q, exponent = 1.0 / (alpha - 1.0), 2.0 - alpha
    z = (alpha - 1.0) * _centred(x, axes)  # in this order no rounding error grows with a common constant

    def powers(u: Array) -> tuple[Array, Array]:
        return _power(u, q), _power(u, q - 1.0)

    t = _threshold(z, axes, powers, exponent)
    if is_array(alpha) or alpha > 2.0:
        # the slope of u^q is infinite at 0, so there t and z are needed to more than one word
        u = _above(x, axes, z, t, alpha - 1.0)
        u = u - _threshold(u, axes, powers, exponent, (-_MARGIN, _MARGIN))
    else:
        u = z - t
    return _share(_power(u, q), axes)


_MARGIN = 2.0**-20  # more than what rounding takes from z and t


def _above(x: Array, axes: Axes, z: Array, t: Array, rate: Any) -> Array:
    """rate * (x - max) - t, whose digits beside 0 the rounded z has lost."""
    top = jnp.max(x, axis=axes, keepdims=True)
    near = z > -1.5  # what else there is, -inf too, is not in the support
    d, d_low = profile(None, x.dtype).difference(jnp.where(near, x, top), top)
    return jnp.where(near, rate * ((d - t / rate) + d_low), z - t)


@entmax.linear
def _(y: Array, t: Array, axes: Axes, alpha: AboveOne) -> Array:
    return _support(y, t, axes, _power(y, 2.0 - alpha))


@entmax.parameter_derivative
def _(y: Array, axes: Axes, alpha: AboveOne) -> Array:
    share = _share(_power(y, 2.0 - alpha), axes)
    entropy = jnp.where(y > 0.0, -y * jnp.log(jnp.where(y > 0.0, y, 1.0)), 0.0)
    rate = 1.0 / (alpha - 1.0)
    return (y - share) * (rate * rate) + (entropy - share * _total(entropy, axes)) * rate
