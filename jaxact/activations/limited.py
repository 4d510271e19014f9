"""The halves of the limited forms of SwiGLU: swish and clip with limits that keep 16-bit results finite."""

import math
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp

from jaxact._src.definition import Positive, Real, is_array
from jaxact._src.elementary import Elementary
from jaxact._src.function import elementwise
from jaxact._src.words import Words
from jaxact.activations._cases import clamp, inside
from jaxact.activations.hyperbolic import capped_sech2, softcap
from jaxact.activations.logistic import silu
from jaxact.activations.parametric import carry, plus, swish_beta

Array = jax.Array
_SLOPE = swish_beta.definition.body(("x",))
_CURVATURE = swish_beta.definition.body(("x", "x"))
_BY_BETA = swish_beta.definition.body(("beta",))
_SILU_SLOPE = silu.definition.body(("x",))
_SILU_CURVATURE = silu.definition.body(("x", "x"))


@elementwise(
    formula=r"m \cdot \sigma(\beta m),\; m = \min(x, L)",
    source="the gate of gpt-oss (limit 7, beta 1.702) and of models with a limit of 10 and beta 1",
    range="up to L sigmoid(beta L)",
    limits="0, L sigmoid(beta L) for beta above 0",
    kinks="the derivative is 0 at the limit",
    settings=({"limit": 10.0, "beta": 1.0}, {"limit": 1.5, "beta": 0.7}),
)
def swish_limited(el: Elementary, x: Array, limit: Positive = 7.0, beta: Real = 1.702) -> Array:
    """Swish of an input that is limited from above."""
    return swish_beta.value(el, el.upper(x, limit), beta)


@swish_limited.derivative
def _(el: Elementary, x: Array, limit: Positive, beta: Real) -> Array:
    return jnp.where(x >= limit, 0.0, _SLOPE(el, x, beta=beta))


@swish_limited.second_derivative
def _(el: Elementary, x: Array, limit: Positive, beta: Real) -> Array:
    return jnp.where(x >= limit, 0.0, _CURVATURE(el, x, beta=beta))


@swish_limited.derivative("limit")
def _(el: Elementary, x: Array, limit: Positive, beta: Real) -> Array:
    return carry(x, jnp.where(x >= limit, _SLOPE(el, el.upper(x, limit), beta=beta), 0.0))


@swish_limited.derivative("beta")
def _(el: Elementary, x: Array, limit: Positive, beta: Real) -> Array:
    return _BY_BETA(el, el.upper(x, limit), beta=beta)


def _silu_equals(limit: Any) -> Any:
    """Where silu is `limit`: x = limit (1 + exp(-x)), by Newton's method from below.

    Compared with x, so that a rounding of silu itself does not choose the side.
    """
    exp = jnp.exp if is_array(limit) else math.exp
    x = limit
    for _ in range(7):
        x = x - (x - limit * (1.0 + exp(-x))) / (1.0 + limit * exp(-x))
    return limit * (1.0 + exp(-x))


@elementwise(
    formula=r"\min(x \cdot \sigma(x), L)",
    source="the gate of Step-3.5's SwiGLU, with a limit of 7",
    range="[-0.2785, limit]",
    limits="0, limit",
    kinks="the derivative is 0 where silu reaches the limit",
    settings=({"limit": 10.0}, {"limit": 0.6}),
)
def silu_capped(el: Elementary, x: Array, limit: Positive = 7.0) -> Array:
    """Silu, limited from above."""
    return jnp.where(x >= _silu_equals(limit), limit, silu.value(el, x))


@silu_capped.derivative
def _(el: Elementary, x: Array, limit: Positive) -> Array:
    return jnp.where(x >= _silu_equals(limit), 0.0, _SILU_SLOPE(el, x))


@silu_capped.second_derivative
def _(el: Elementary, x: Array, limit: Positive) -> Array:
    return jnp.where(x >= _silu_equals(limit), 0.0, _SILU_CURVATURE(el, x))


@silu_capped.derivative("limit")
def _(el: Elementary, x: Array, limit: Positive) -> Array:
    return carry(x, jnp.where(x >= _silu_equals(limit), 1.0, 0.0))


@elementwise(
    formula=r"\min(\max(x, -L), L) + o",
    source="the linear half of gpt-oss's SwiGLU (limit 7, offset 1)",
    range="[offset - limit, offset + limit]",
    limits="offset - limit, offset + limit",
    kinks="the derivative is 0 at both limits",
    settings=({"limit": 10.0, "offset": 0.0}, {"limit": 1.5, "offset": -0.3}),
)
def clip_offset(el: Elementary, x: Array, limit: Positive = 7.0, offset: Real = 1.0) -> Array:
    """The input limited to plus and minus a number, and shifted."""
    return plus(el.full, clamp(-limit, x, limit), offset)


@clip_offset.derivative
def _(el: Elementary, x: Array, limit: Positive, offset: Real) -> Array:
    return carry(x, inside(-limit, x, limit))


@clip_offset.second_derivative
def _(el: Elementary, x: Array, limit: Positive, offset: Real) -> Array:
    return carry(x, 0.0)


@clip_offset.derivative("limit")
def _(el: Elementary, x: Array, limit: Positive, offset: Real) -> Array:
    return carry(x, jnp.where(x >= limit, 1.0, jnp.where(x <= -limit, -1.0, 0.0)))


@clip_offset.derivative("offset")
def _(el: Elementary, x: Array, limit: Positive, offset: Real) -> Array:
    return jnp.ones_like(x)


# -- situ: the sigmoid of x times a soft cap, with e = exp(-|x|) and w = exp(-2 |x| / cap) ------------------------

_WORDS = 20.0  # the domain of an exponential in words
_BY_CAP = softcap.definition.body(("cap",))


class _Curves(NamedTuple):
    """|tanh(x / cap)|, sech(x / cap)**2 and e, beside one another in words."""

    t: Words
    s: Words
    e: Words
    near: Array

    @classmethod
    def of(cls, el: Elementary, x: Array, cap: Any) -> Self:
        a = Words.of(el, jnp.abs(x))
        double = 2.0 * (Words.of(el, el.upper(a.hi, _WORDS * cap)) / cap)
        e, w = (-a.limited(_WORDS)).exp(), (-double.limited(_WORDS)).exp()
        d = 1.0 + w
        return cls((1.0 - w) / d, 4.0 * w / (d * d), e, (a.hi < _WORDS) & (double.hi < _WORDS))


def _part(el: Elementary, x: Array, factor: Array) -> Array:
    """factor * sigmoid(x)."""
    E = el.decay(x, el.shift)
    d = 1.0 + E * 2.0**-el.shift
    return jnp.where(x < 0.0, ((factor * E) / d) * 2.0**-el.shift, factor / d)


@elementwise(
    aliases=("sigmoid_tanh_unit",),
    formula=r"c \tanh(x / c) \cdot \sigma(x)",
    source="Kimi Team 2026, Kimi K3: open frontier intelligence, arXiv:2607.24653, section 2.3.2; there cap is 4",
    range="within plus and minus cap, at least -0.2785",
    limits="0, cap",
    settings=({"cap": 25.0}, {"cap": 1.0}, {"cap": 0.3}),
)
def situ(el: Elementary, x: Array, cap: Positive = 4.0) -> Array:
    """Sigmoid tanh unit: silu whose factor x is softly capped, the gate of SiTU-GLU."""
    capped = softcap.value(el.full, x, cap)
    if not el.lite:
        t, _, _, near = _Curves.of(el, x, cap)
        size = jnp.where(near & (jnp.abs(x) > 0.02 * cap), (t * cap).value, jnp.abs(capped))
        capped = size * el.sign(x)
    return _part(el, x, capped)


@situ.derivative
def _(el: Elementary, x: Array, cap: Positive) -> Array:
    el = el.full
    t, s, e, near = _Curves.of(el, x, cap)
    E, S = el.decay(x, el.shift), capped_sech2(el, x, cap, el.shift)
    d = 1.0 + E * 2.0**-el.shift
    slope = el.shared(jnp.abs(softcap.value(el, x, cap)) / d)
    right = ((S + slope * E) / d) * 2.0**-el.shift
    inner = S * 2.0**-el.shift - slope
    exact = (s - (t * cap) / (1.0 + e)).value
    left = ((E * jnp.where(near, exact, inner)) / d) * 2.0**-el.shift
    return jnp.where(x < 0.0, left, right)


@situ.second_derivative
def _(el: Elementary, x: Array, cap: Positive) -> Array:
    el = el.full
    t, s, e, near = _Curves.of(el, x, cap)
    E, S = el.decay(x, el.shift), capped_sech2(el, x, cap, el.shift)
    d = 1.0 + e
    bend = (t * s) * (2.0 / Words.of(el, cap))
    turn = (t * cap) * (1.0 - e) / (d * d)
    left = (bend + 2.0 * s / d - turn).value
    right = ((2.0 * s * e / d - bend - turn * e) / d).value
    # far from 0, where e or w is lost beside 1, nothing cancels
    plain, plain_e = jnp.abs(el.tanh(x / cap, tight=True)), E * 2.0**-el.shift
    dense, plain_s = 1.0 + plain_e, S * 2.0**-el.shift
    plain_turn = (plain * cap) * (1.0 - plain_e) / (dense * dense)
    far_left = (2.0 / cap) * (plain * plain_s) + (2.0 * plain_s) / dense - plain_turn
    far_right = ((2.0 * plain_s / dense - plain_turn) * E - (2.0 / cap) * (plain * S)) / dense
    on_left = (E * jnp.where(near, left, far_left)) / dense
    on_right = jnp.where(near, right, far_right * 2.0**-el.shift)
    return jnp.where(x < 0.0, on_left * 2.0**-el.shift, on_right)


@situ.derivative("cap")
def _(el: Elementary, x: Array, cap: Positive) -> Array:
    return _part(el, x, _BY_CAP(el.full, x, cap=cap))
