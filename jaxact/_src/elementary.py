"""The elementary layer: the functions that definitions are made of, in profiles.

A definition is handed an ``el`` and writes ``el.exp(x)``; the lowering chose the profile:

=================  ===========================================================================================
``CPU``            float32. Own polynomials and exponent-field arithmetic: XLA's CPU exp is an opaque call that
                   costs twice a copy and flushes subnormals; ours costs 1.24 copies and fuses.
``CPU_16``         float32 arithmetic for 16-bit results: relative error <= 1e-5, no split exponents.
``GPU``, ``GPU_16``  the same with the backend's exp2 (one MUFU instruction) in place of the polynomial.
``PORTABLE``       that of ``CPU``, for 16-bit too: any other platform, and what `jaxact.reference` runs. The error
                   of a backend's exp, 1 ULP and more, would be a quarter of the contract.
``DOUBLE``         float64.
=================  ===========================================================================================

Only operations that Mosaic GPU lowers are used outside ``DOUBLE``: arithmetic, compare and select, abs, bitcast,
shift, exp, exp2, sqrt. Arguments must lie in the stated domains (callers clamp with `Elementary.lower` and
`Elementary.upper`); NaN in gives NaN out. Coefficients come from ``docs/coefficients``.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp

from jaxact._src import coefficients as c
from jaxact._src import roots
from jaxact._src.arithmetic import Arithmetic, head, horner

__all__ = ["Elementary", "head", "horner", "profile"]

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Elementary(Arithmetic):
    """The layer in one profile; definitions receive an instance as ``el``."""

    # -- the hyperbolic family --------------------------------------------------------------------------------

    def tanh(self, x: Array, *, tight: bool = False) -> Array:
        """tanh(x), never beyond 1, tanh(-0) = -0; the whole line, 3.0 ULP (``exponentials.py``).

        `tight`: 2.5 ULP in 39 operations for 24, where a factor has to round the result again.
        """
        self._check(x)
        if self.lite:
            x = self.between(x, c.TANH_LITE_END)
            q = x * x
            return (x * horner(c.TANH_P_LITE, q)) / horner(c.TANH_Q_LITE, q)
        if self.double or tight:
            s = self.sign(x)
            a = self.upper(x * s, 0.5 * self.saturation)
            t = self.expm1(-2.0 * a)  # not of +2 a: 2 + t is rounded to twice the digits
            return s * ((0.0 * a - t) / (2.0 + t))  # odd to the last bit; -t alone would be -0 at 0
        # From tanh(x/2) = n/d, whose error counts the less the nearer it is to 1, where a rounding weighs most.
        # The end and the coefficients are chosen so that 1 is reached there and never exceeded.
        x = self.between(x, c.TANH_END)
        q = x * x
        n, d = x * horner(c.TANH_HALF_P, q), horner(c.TANH_HALF_Q, q)
        return (n * (d + d)) / (n * n + d * d)

    def tanh_shrink(self, x: Array) -> Array:
        """x - tanh(x), accurate relative to itself; the whole line, 3.9 ULP (``exponentials.py``)."""
        self._check(x)
        if self.lite:
            near = self.between(x, c.TANH_LITE_END)
            return near * (near * near) * self.tanh_shrink_ratio(near) - (near - x)  # -0 - 0 is -0
        a = jnp.abs(x)
        e = self.exp(-2.0 * self.upper(a, self.saturation))
        big = (a - 1.0) + (2.0 * e) / (1.0 + e)
        return jnp.where(a < 1.25, x * (x * x) * self.tanh_shrink_ratio(x), jnp.where(x < 0.0, -big, big))

    def tanh_shrink_ratio(self, x: Array) -> Array:
        """(x - tanh(x)) / x**3 for |x| <= 1.25."""
        self._check(x)
        q = x * x
        if self.lite:
            return horner(c.TANH_SHRINK_LITE, q) / horner(c.TANH_Q_LITE, q)
        if self.double:
            return horner(c.TANH_SHRINK_DOUBLE_R, q) / horner(c.TANH_SHRINK_DOUBLE_Q, q)
        return horner(c.TANH_SHRINK, q)

    def sech2(self, a: Array, low: Array | None = None, shift: int = 0) -> Array:
        """2**shift / cosh(a + low)**2 for a >= 0, down to exactly 0."""
        a = self.upper(a, 0.5 * self.vanishing(shift + 2))
        E = self.exp(-2.0 * a, None if low is None else -2.0 * low, shift + 2)
        d = 1.0 + E * 2.0 ** -(shift + 2)
        return self.shared(E / (d * d))

    # -- the logistic family, e = exp(x) or exp(-|x|), E = 2**shift * e ---------------------------------------

    def decay(self, x: Array, shift: int = 0) -> Array:
        """2**shift * exp(-|x|)."""
        limit = self.underflow if shift else self.exp_limit
        return self.exp(-self.upper(jnp.abs(x), limit), None, shift)

    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + exp(-x)), accurate in its left tail."""
        e = self.exp(self.lower(self.upper(x, self.saturation), -self.exp_limit))
        return e / (1.0 + e)

    def sigmoid_slope(self, x: Array) -> Array:
        """sigmoid'(x) = e / (1 + e)**2."""
        e = self.decay(x)
        d = 1.0 + e
        return e / (d * d)

    def sigmoid_curvature(self, x: Array) -> Array:
        """sigmoid''(x) = -sign(x) e (1 - e) / (1 + e)**3."""
        e, t = self.exp_expm1(-self.upper(jnp.abs(x), self.exp_limit))
        d = 2.0 + t
        return jnp.where(x < 0.0, -1.0, 1.0) * ((e * t) / (d * d * d))

    def softplus(self, x: Array) -> Array:
        """log(1 + exp(x))."""
        return jnp.maximum(x, 0.0) + self.log1p01(self.decay(x))

    # x * sigmoid(z) in three orders. E is scaled so that the product with x is rounded once, at the very end;
    # `az` is x * z'(x).

    def gate(self, x: Array, E: Array, top: float, product: Array | None = None) -> Array:
        """x * e / (1 + e); from `top` on the result is x. `product` is x * E with fewer roundings."""
        return jnp.where(x > top, x, (x * E if product is None else product) / (2.0**self.shift + E))

    def gate_slope(self, E: Array, az: Array, az_low: Array | None = None) -> Array:
        """e (1 + az + e) / (1 + e)**2; (1 + az) + e keeps the digits of its root."""
        half = 2.0 ** (self.shift // 2)
        d = half + E / half
        inner = (1.0 + az) if az_low is None else ((1.0 + az) + az_low)
        return (E * (inner + E * 2.0**-self.shift)) / (d * d)

    def gate_curvature(self, E: Array, constant: Array | float, square: Array, scale: Any = 1.0) -> Array:
        """scale * e ((constant - square) + e (constant + square)) / (1 + e)**3, E = 2**shift exp(-a)."""
        e = E * 2.0**-self.shift
        d = 1.0 + e
        return ((E * ((constant - square) + e * (constant + square))) / (d * d * d)) * (2.0**-self.shift * scale)

    # -- the normal distribution ------------------------------------------------------------------------------

    @property
    def gauss_limit(self) -> float:
        """Here `gauss` is exactly zero, the end of its domain."""
        return math.sqrt(2.0 * self.vanishing(self.shift))

    def gauss(self, a: Array, shift: int = 0, low: Array | None = None, *, factor: Array | None = None) -> Array:
        """factor * 2**shift * exp(-(a + low)**2 / 2)."""
        return self._exp_square(a, low, -0.5, shift, factor)

    def exp_minus_square(self, a: Array, shift: int = 0, low: Array | None = None) -> Array:
        """2**shift * exp(-(a + low)**2)."""
        return self._exp_square(a, low, -1.0, shift, None)

    def _exp_square(self, a: Array, low: Array | None, scale: float, shift: int, factor: Array | None) -> Array:
        """The square split into exact head and tail; `scale` is a power of two."""
        if self.lite:
            whole = a if low is None else a + low
            return self.exp((whole * whole) * scale, None, shift, factor=factor)
        a_head = self.head(a)
        rest = a - a_head if low is None else (a - a_head) + low
        return self.exp((a_head * a_head) * scale, rest * (2.0 * a_head + rest) * scale, shift, factor=factor)

    def mills(self, a: Array) -> Array:
        """exp(a*a/2) * Phi(-a) for 0 <= a <= gauss_limit; polynomial 4.7e-9 (``mills.py``, ``mills_lite.py``)."""
        self._check(a)
        r = self.shared(1.0 / (a + self._mills_k))
        return r * self._mills_sum(a * r)

    def gauss_mean(self, a: Array) -> Array:
        """2**(2 * shift) * a * Phi(-a) for 0 <= a <= gauss_limit.

        The ratio a / (a + K) is argument and factor alike: fewer roundings than a product of a and `mills`.
        """
        self._check(a)
        u = self.shared((a * 2.0**self.shift) / (a + self._mills_k))  # a / K of the least a is subnormal
        return self.gauss(a, self.shift, factor=u * self._mills_sum(u * 2.0**-self.shift))

    @property
    def _mills_k(self) -> float:
        return c.MILLS_LITE_K if self.lite else c.MILLS_DOUBLE_K if self.double else c.MILLS_K

    def _mills_sum(self, u: Array) -> Array:
        """exp(a*a/2) Phi(-a) (a + K) in u = a / (a + K)."""
        if self.lite:
            return horner(c.MILLS_LITE, u)
        return horner(c.MILLS_DOUBLE if self.double else c.MILLS, 2.0 * u - 1.0)

    def erf_excess(self, s: Array) -> Array:
        """erf(s) / s - 1 for 0 <= s <= log(2); polynomial 7e-10 (``erf.py``)."""
        self._check(s)
        first, *rest = c.ERF_DOUBLE if self.double else c.ERF  # first is 2/sqrt(pi), far from a float32
        return horner((first - 1.0, *rest), s * s)

    def gelu_slope_core(self, a: Array) -> Array:
        """exp(a*a/2) Phi(-a) - a / sqrt(2 pi), accurate through its root at 0.7518 (``gelu_slope.py``)."""
        self._check(a)
        hi, lo = c.GELU_SLOPE_ROOT
        if self.double:
            plain = self.mills(a) - a * (1.0 / math.sqrt(2.0 * math.pi))
            return self.beside_root(roots.GELU_SLOPE_CORE, a, 0.0, plain)
        lite = (c.GELU_SLOPE_LITE, c.GELU_SLOPE_LITE_K)
        coefficients, k = lite if self.lite else (c.GELU_SLOPE, c.GELU_SLOPE_K)
        q = horner(coefficients, self.shared(a / (a + k)))
        return (hi - a) * q + lo * q  # not ((hi - a) + lo) * q, see `beside_root`


CPU = Elementary(jnp.float32)
CPU_16 = Elementary(jnp.float32, lite=True)
GPU = Elementary(jnp.float32, native=True)
GPU_16 = Elementary(jnp.float32, native=True, lite=True)
PORTABLE = Elementary(jnp.float32)
DOUBLE = Elementary(jnp.float64, native=True)


def profile(platform: str | None, dtype: Any) -> Elementary:
    """The profile for an input dtype on a platform; None is the portable one."""
    if dtype == jnp.float64:
        return DOUBLE
    full, lite = {"cpu": (CPU, CPU_16), "cuda": (GPU, GPU_16)}.get(platform or "", (PORTABLE, PORTABLE))
    return full if dtype == jnp.float32 else lite
