"""Arithmetic of one profile of the elementary layer: exponentials, and numbers in two words."""

import dataclasses
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxact._src import coefficients as c
from jaxact._src import roots

Array = jax.Array
LOG2E = math.log2(math.e)
# ln 2 in two parts: k * LN2_HI is exact for the k that occur (10 significant bits).
LN2_HI, LN2_LO = 0.693359375, -2.12194440e-4
LN2 = math.log(2.0)
# the same with more digits, for few k
LN2_WORDS = 0.693145751953125, 1.4286068203094172e-06
LN2_WORDS_DOUBLE = 6.93147180369123816490e-01, 1.90821492927058770002e-10


def horner(coefficients: Sequence[Any], x: Array) -> Array:
    """Polynomial with coefficients in increasing order."""
    value = x * coefficients[-1] + coefficients[-2]
    for coefficient in coefficients[-3::-1]:
        value = value * x + coefficient
    return value


def head(x: Array, bits: int, *, rounded: bool = False) -> Array:
    """`x` cut, or rounded, to its leading `bits` significand bits; ``x - head(x, bits)`` is exact."""
    if x.dtype == jnp.float64:
        unit = 1 << (53 - bits)
        whole = lax.bitcast_convert_type(x, jnp.int64) + np.int64(unit // 2 if rounded else 0)
        return lax.bitcast_convert_type(whole & np.int64(-unit), jnp.float64)
    unit = 1 << (24 - bits)
    return _float((_bits(x) + np.int32(unit // 2) if rounded else _bits(x)) & np.int32(-unit))


def _bits(x: Array) -> Array:
    return lax.bitcast_convert_type(x, jnp.int32)


def _float(x: Array) -> Array:
    return lax.bitcast_convert_type(x, jnp.float32)


@dataclasses.dataclass(frozen=True)
class Arithmetic:
    """The layer in one profile; definitions receive an instance as ``el``.

    Attributes:
      dtype: What it computes in; every function refuses another dtype.
      native: The backend's exp rather than the polynomial.
      lite: Relative error 1e-5 is enough (16-bit results).
    """

    dtype: Any
    native: bool = False
    lite: bool = False

    # -- range ------------------------------------------------------------------------------------------------

    @property
    def double(self) -> bool:
        return self.dtype == jnp.float64

    @property
    def tail(self) -> bool:
        """Whether exponents are split into head and tail; 16-bit results need no more than one word."""
        return not self.lite

    @property
    def digits(self) -> int:
        """The bits of a significand."""
        return 53 if self.double else 24

    @property
    def shift(self) -> int:
        """The power of two by which tails are scaled so that subnormal exponentials keep their digits."""
        return 64 if self.double else 32

    @property
    def saturation(self) -> float:
        """From here on 1 + exp(-x) rounds to 1."""
        return 40.0 if self.double else 20.0

    @property
    def underflow(self) -> float:
        """Below minus this, x * exp(x) is zero in this dtype, and 2**shift * exp(x) is still normal."""
        return 750.0 if self.double else 106.0

    @property
    def exp_limit(self) -> float:
        """exp(-limit) is 0 or the smallest that `exp` returns, exp(+limit) is finite."""
        return 709.0 if self.double else 88.0

    def vanishing(self, shift: int = 0) -> float:
        """2**shift * exp(-x) is exactly 0 here, the end of the domain of `exp`."""
        return (1023 + shift if self.double else 127 + shift) * LN2

    @property
    def full(self) -> Self:
        """This profile without `lite`."""
        return dataclasses.replace(self, lite=False)

    @property
    def own(self) -> Self:
        """This profile with the polynomial exp, whose `factor` costs a rounding less, in float32 too."""
        return self if self.lite or self.double else dataclasses.replace(self, native=False)

    def _check(self, *values: Array) -> None:
        for v in values:
            if v.dtype != self.dtype:
                raise TypeError(f"this elementary layer computes in {np.dtype(self.dtype)}, got {v.dtype}")

    def constant(self, value: float) -> Array:
        """A float array constant of this profile's dtype."""
        return jnp.asarray(value, self.dtype)

    # One select each, where jnp.minimum would cost a second for NaN.

    def upper(self, x: Array, limit: Any) -> Array:
        """min(x, limit), NaN stays NaN."""
        bound = self._bound(limit)
        return jnp.where(x > bound, bound, x)

    def lower(self, x: Array, limit: Any) -> Array:
        """max(x, limit), NaN stays NaN."""
        bound = self._bound(limit)
        return jnp.where(x < bound, bound, x)

    def _bound(self, limit: Any) -> Array:
        """A limit such as 88 / beta, which may lie beyond the largest number of this dtype."""
        if isinstance(limit, float | int) and math.isfinite(limit):
            largest = float(jnp.finfo(self.dtype).max)
            limit = min(max(limit, -largest), largest)
        return jnp.asarray(limit, self.dtype)

    def between(self, x: Array, limit: Any) -> Array:
        """x clipped to plus and minus limit, NaN stays NaN."""
        return self.lower(self.upper(x, limit), -limit)

    def sign(self, x: Array) -> Array:
        """1 with the sign of x, of -0 too, so that x * sign(x) is |x| with a derivative at 0.

        From bits, since Mosaic GPU lowers no copysign; it is locally constant, as autodiff takes it.
        """
        if self.double:
            return self.fixed(jnp.copysign(1.0, x))
        return _float((_bits(x) & np.int32(-(1 << 31))) | np.float32(1.0).view(np.int32))

    def fixed(self, x: Array) -> Array:
        """x, which autodiff takes for a constant.

        Through its bits, which costs nothing, since Mosaic GPU lowers no stop_gradient.
        """
        return lax.stop_gradient(x) if self.double else _float(_bits(x))

    def shared(self, x: Array) -> Array:
        """x, a quotient or root that several operations use.

        XLA's CPU backend repeats neither in a fusion; where one has several users it cuts what comes before into
        passes through memory. So it gets this one user, cheap enough to be repeated: a rounding to more bits than
        it has.
        """
        return x if self.native else lax.reduce_precision(x, exponent_bits=11, mantissa_bits=23)

    # -- exponentials -----------------------------------------------------------------------------------------

    def exp(
        self, x: Array, tail: Array | None = None, shift: int = 0, *, factor: Array | float | None = None
    ) -> Array:
        """factor * 2**shift * exp(x + tail), `tail` a small correction.

        A `factor` costs one rounding less than a product with the result; both forms share their polynomial.

        Domain: ``|log2(e) * x + shift| <= 127`` (float32); the result is exactly 0 at -127.
        Error: polynomial 1.1 ULP, lite 3e-6 relative (``exponentials.py``).
        """
        self._check(x)
        if self.native:
            e = self._native_exp(x, tail, shift)
            return e if factor is None else factor * e
        scale, k = _round_exponent((x if tail is None else x + tail) * LOG2E, shift)
        r = x - k * LN2 if self.lite else (x - k * LN2_HI) - k * LN2_LO
        r = r if tail is None else r + tail
        q = r * horner(c.EXP_LITE if self.lite else c.EXP, r)
        return scale * (1.0 + q) if factor is None else scale * (factor + factor * q)

    def _native_exp(self, x: Array, tail: Array | None, shift: int) -> Array:
        w = x if tail is None else x + tail
        if self.lite:  # scale and shift inside the exponent: no subnormal intermediate, one instruction
            return jnp.exp2(w * LOG2E + float(shift)) if shift else jnp.exp2(w * LOG2E)
        if tail is None and not shift:
            return jnp.exp(w)
        rest: Array | float = 0.0
        if tail is not None:  # the sum would round the tail away, so it gives up some digits to the rest
            w = head(w, self.digits - (8 if self.double else 4))
            rest = (x - w) + tail
        # Where exp(w), or its product with the rest, may be subnormal the shift goes inside, rounded up so that
        # what remains is below 1, and to few bits so that the sum is exact; elsewhere outside, where it is exact.
        lift = max(shift, self.shift)
        inside = math.ceil(lift * LN2 * 2.0**13) / 2.0**13
        remains = math.ldexp(math.exp(-inside), lift) - 1.0
        deep = w < -0.7 * self.exp_limit
        e = jnp.exp(jnp.where(deep, w + inside, w))
        lifted = jnp.where(deep, self.constant(remains), 0.0)
        e = e + e * (lifted + rest * (1.0 + lifted))
        return e * jnp.where(deep, self.constant(2.0 ** (shift - lift)), 2.0**shift)

    def exp_unbounded(self, x: Array) -> Array:
        """exp(x) on the whole line, inf above and 0 below; 2.9 ULP."""
        self._check(x)
        if self.double or (self.native and self.lite):
            return self._native_exp(x, None, 0)
        if self.native:  # jaxlib 0.10's has 4.4 ULP at 88.7, and XLA would turn the square below back into it
            top = x > 0.9 * self.exp_limit
            return jnp.exp(jnp.where(top, x - 8.0, x)) * jnp.where(top, self.constant(math.exp(8.0)), 1.0)
        # The square leaves the range by itself, without a select.
        limit = 2.0 * self.exp_limit
        root = self.exp(0.5 * self.lower(self.upper(x, limit), -limit))
        return root * root

    def exp_words(self, x: Array) -> tuple[Array, Array]:
        """exp(x) as a head and the rest, about 6 bits more than `exp` has, for |x| <= 20.

        For functions such as exp(-2 exp(x)), which multiply the relative error of exp(x) by its size.
        """
        self._check(x)
        ln2_hi, ln2_lo = LN2_WORDS_DOUBLE if self.double else LN2_WORDS
        k = lax.round(x * LOG2E, lax.RoundingMethod.TO_NEAREST_EVEN)
        r = x - k * ln2_hi  # exact
        r_head = self.head(r)
        square = 0.5 * (r_head * r_head)  # exact
        cubic = (r * r * r) * horner([1.0 / math.factorial(n) for n in range(3, 16 if self.double else 9)], r)
        e_head = head(1.0 + (r + square + cubic), self.digits * 2 // 3)
        e_rest = (((1.0 - e_head) + r) + square) + (0.5 * (r - r_head) * (r + r_head) + cubic)
        scale = _power_of_two(k)
        return scale * e_head, scale * (e_rest - (k * ln2_lo) * e_head)

    def exp2(self, x: Array, tail: Array | None = None, shift: int = 0) -> Array:
        """2**(shift + x + tail), `tail` the rest of an exponent known to more than one word."""
        self._check(x)
        if self.double or (self.native and not self.lite):
            hi, lo = self.product(x, LN2)
            rest = lo if tail is None else lo + tail * LN2
            return self.exp(hi, rest, shift)
        if self.native:
            w = x if tail is None else x + tail
            return jnp.exp2(w + float(shift)) if shift else jnp.exp2(w)
        scale, k = _round_exponent(x if tail is None else x + tail, shift)
        r = x - k
        r = r if tail is None else r + tail
        return scale * (1.0 + r * horner(c.EXP2_LITE if self.lite else c.EXP2, r))

    def exp_expm1(self, x: Array, shift: int = 0) -> tuple[Array, Array]:
        """(2**shift * exp(x), exp(x) - 1) on ``[-exp_limit, exp_limit]``; expm1 1 ULP (``exponentials.py``)."""
        self._check(x)
        if self.double:
            return self.exp(x, None, shift), jnp.expm1(x)
        if self.native:
            e = self.exp(x)
            near = x + (x * x) * horner(c.EXPM1, x)
            scaled = self.exp(x, None, shift) if shift else e
            return scaled, jnp.where(jnp.abs(x) < 0.346, near, e - 1.0)
        s, k = _round_exponent(x * LOG2E, shift)
        r = (x - k * LN2_HI) - k * LN2_LO
        q = r + (r * r) * horner(c.EXPM1, r)
        if not shift:
            return s * (1.0 + q), s * q + (s - 1.0)
        back = 2.0**-shift
        return s * (1.0 + q), back * (s * q) + (back * s - 1.0)

    def expm1(self, x: Array) -> Array:
        return self.exp_expm1(x)[1]

    def log1p01(self, x: Array) -> Array:
        """log(1 + x) for 0 <= x <= 1; 1.7 ULP (``exponentials.py``)."""
        return x * self.log1p01_ratio(x)

    def log1p01_ratio(self, x: Array) -> Array:
        """log(1 + x) / x for 0 <= x <= 1, 1 at 0."""
        self._check(x)
        if self.double:
            safe = jnp.where(x == 0.0, 1.0, x)
            return jnp.where(x == 0.0, 1.0, jnp.log1p(safe) / safe)
        return horner(c.LOG1P_LITE if self.lite else c.LOG1P, x)

    # -- two-word arithmetic ----------------------------------------------------------------------------------

    def head(self, x: Array, thirds: int | None = None) -> Array:
        """`x` cut to half its digits, so that the product of two heads is exact, or to thirds of them."""
        return head(x, self.digits // 2 if thirds is None else self.digits * thirds // 3)

    def split(self, factor: Any) -> tuple[Any, Any]:
        """A number or array as its head and the rest; a number is taken to its full float64 value."""
        if not isinstance(factor, float | int):
            array_head = self.head(factor)
            return array_head, factor - array_head
        mantissa, exponent = math.frexp(factor)
        scale = 2.0 ** (self.digits // 2)
        factor_head = math.ldexp(math.trunc(mantissa * scale) / scale, exponent)
        return factor_head, factor - factor_head

    def product(self, x: Array, factor: Any, factor_low: float = 0.0) -> tuple[Array, Array]:
        """x * (factor + factor_low) as an unevaluated sum of two words; `factor` is a number or an array.

        A number is taken to its full float64 value, so a parameter such as 0.1 loses nothing.
        """
        if not self.tail:
            return x * factor, jnp.zeros_like(x)
        factor_head, factor_rest = self.split(factor)
        x_head = self.head(x)
        return x_head * factor_head, (x - x_head) * factor_head + x * (factor_rest + factor_low)

    def difference(self, x: Array, y: Any) -> tuple[Array, Array]:
        """x - y, rounded, and the rest. `y` is a number (to its full float64 value) or an array.

        XLA's CPU backend of jaxlib 0.10 undoes the customary error-free sum, but cannot see through a head.
        """
        y_low = 0.0
        if isinstance(y, float | int):
            y_low = y - float(np.asarray(y, self.dtype))
        d = x - y
        if not self.tail:
            return d, jnp.zeros_like(d)
        d_head = self.head(d)
        larger = jnp.abs(x) > abs(y)
        from_head = (jnp.where(larger, x, -y) - d_head) + jnp.where(larger, -y, x)
        rest = from_head - (d - d_head)
        return d, rest - y_low if y_low else rest

    def quotient(self, x: Array, x_low: Any, y: Any) -> tuple[Array, Array]:
        """(x + x_low) / y as an unevaluated sum of two words; `y` is a number or an array."""
        if not self.tail:
            return x / y, jnp.zeros_like(x)
        i, i_rest = self._reciprocal(y)
        x_head = self.head(x)
        return x_head * i, (x - x_head) * i + (x * i_rest + x_low * i)

    def _reciprocal(self, y: Any) -> tuple[Any, Any]:
        """1 / y as a head and the rest."""
        if isinstance(y, float | int):
            i_head, _ = self.split(1.0 / y)
            return i_head, float(1 / Fraction(y) - Fraction(i_head))
        i = self.shared(1.0 / y)
        i_head = self.head(i)
        y_head, y_rest = self.split(y)
        return i_head, ((1.0 - i_head * y_head) - i_head * y_rest) * i

    def beside_root(self, fit: roots.Roots, x: Array, x_low: Any, otherwise: Array, scale: Any = 1.0) -> Array:
        """scale times the fit of a derivative at x + x_low beside its root, where `otherwise` loses its digits."""
        root = fit.double if self.double else fit.single
        d = x - root.center[0]
        d_low: Any = x_low - root.center[1]
        q = horner([scale * v for v in root.coefficients], d + d_low)
        # jaxlib 0.10 would fold both words of the center into one if their differences were added first.
        return jnp.where(jnp.abs(d) < root.radius, d * q + d_low * q, otherwise)


def _power_of_two(k: Array) -> Array:
    """2**k for an integral k of moderate size."""
    if k.dtype == jnp.float64:
        return lax.bitcast_convert_type((k.astype(jnp.int64) + 1023) << 52, jnp.float64)
    return _round_exponent(k, 0)[0]


def _round_exponent(w: Array, shift: int) -> tuple[Array, Array]:
    """2**(k + shift) and k, the integer nearest to w; 0 for k + shift = -127, inf for 128, outside it is garbage.

    The customary k = (w + magic) - magic is folded to w by XLA's CPU backend of jaxlib 0.10, hence the rounding;
    adding the magic number to k leaves k + 127 + shift in the low bits, cheaper than a conversion.
    """
    k = lax.round(w, lax.RoundingMethod.TO_NEAREST_EVEN)
    return _float(_bits(k + (1.5 * 2.0**23 + 127 + shift)) << 23), k
