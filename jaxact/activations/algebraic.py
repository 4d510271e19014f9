"""Activations made of arithmetic and square roots. Their bodies need no elementary layer."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from jaxact._src.definition import Nonnegative, is_array
from jaxact._src.function import elementwise

Array = jax.Array


def _largest(x: Array) -> float:
    return float(jnp.finfo(x.dtype).max)


def _finite(x: Array) -> Array:
    """x with the largest numbers in place of infinities."""
    return lax.clamp(jnp.asarray(-_largest(x), x.dtype), x, jnp.asarray(_largest(x), x.dtype))


def _root(x: Array, b: Nonnegative) -> Array:
    """sqrt(x**2 + b), where x**2 may leave the range."""
    a = jnp.abs(x)
    inside = jnp.minimum(a, 0.5 * math.sqrt(_largest(x)))
    return jnp.maximum(jnp.sqrt(inside * inside + b), a)


# -- soft sign ------------------------------------------------------------------------------------------------


@elementwise(
    formula=r"\frac{x}{1 + |x|}",
    source="Turian, Bergstra and Bengio 2009; Bergstra et al. 2009",
    range="[-1, 1]",
    limits="-1, 1",
    kinks="none in the derivative; the second derivative at 0 is 0, between 2 and -2",
)
def soft_sign(x: Array) -> Array:
    """Soft sign: x over one plus its magnitude."""
    near = _finite(x)
    y = near / (1.0 + jnp.abs(near))
    return jnp.where(jnp.isnan(x), x, y)  # the outermost select of `ElementwiseOperation._guarded`


@soft_sign.derivative
def _(x: Array) -> Array:
    i = 1.0 / (1.0 + jnp.abs(x))
    return i * i


@soft_sign.second_derivative
def _(x: Array) -> Array:
    i = 1.0 / (1.0 + jnp.abs(x))
    return ((-2.0 * jnp.sign(x) * i) * i) * i


@soft_sign.output_derivative()
def _(y: Array) -> Array:
    i = 1.0 - jnp.abs(y)
    return i * i


# -- squareplus: (x + r)/2, r = sqrt(x**2 + b) ----------------------------------------------------------------


@elementwise(
    formula=r"\frac{x + \sqrt{x^2 + b}}{2}",
    source="Barron, arXiv:2112.11687",
    range="[0, inf)",
    limits="0, inf",
    kinks="for b = 0 (relu) at 0, where the derivative is 1/2 and the second derivative 0",
    settings=({"b": 1.0}, {"b": 0.1}, {"b": 1e10}, {"b": 0.0}),
)
def squareplus(x: Array, b: Nonnegative = 4.0) -> Array:
    """Squareplus: a smooth rectifier of a square root only."""
    larger, _ = _larger(x, b)
    return jnp.where(x >= 0.0, larger, (0.25 * b) / larger)  # the product of both sides is b/4


def _larger(x: Array, b: Nonnegative) -> tuple[Array, Array]:
    """f(|x|) and r. |x| + (r - |x|)/2 does not overflow."""
    a = jnp.abs(x)
    near = jnp.minimum(a, 0.5 * math.sqrt(_largest(x)))
    r = jnp.maximum(jnp.sqrt(near * near + b), near)
    return a + 0.5 * (r - near), jnp.maximum(r, a)


@squareplus.derivative
def _(x: Array, b: Nonnegative) -> Array:
    larger, r = _larger(x, b)
    # On the left f/r = b/4 / (f(-x) r), of which XLA may not form the product; on the right 1 less that of -x.
    # Quotients with one use each stay in one fusion on CPUs.
    half = 0.5 * (jnp.sqrt(b) if is_array(b) else math.sqrt(b))
    right = x >= 0.0
    slope = jnp.where(right, 1.0, 0.0) + jnp.where(right, -1.0, 1.0) * ((half / larger) * (half / r))
    return jnp.where(r == 0.0, 0.5, slope)


@squareplus.second_derivative
def _(x: Array, b: Nonnegative) -> Array:
    i = _inverse_root(x, b)
    return (((0.5 * b) * i) * i) * i


@squareplus.derivative("b")
def _(x: Array, b: Nonnegative) -> Array:
    return 0.25 * _inverse_root(x, b)


def _inverse_root(x: Array, b: Nonnegative) -> Array:
    """1/r, 0 where r is."""
    r = _root(x, b)
    return jnp.where(r == 0.0, 0.0, 1.0 / r)


# -- bent identity --------------------------------------------------------------------------------------------


@elementwise(
    formula=r"\frac{\sqrt{x^2 + 1} - 1}{2} + x",
    source="Wikipedia, Activation function",
    range="(-inf, inf)",
    limits="-inf, inf",
)
def bent_identity(x: Array) -> Array:
    """Bent identity: a line of slope 1/2 on the left that turns smoothly to slope 3/2 on the right."""
    near = _finite(x)
    return x * (1.0 + (0.5 * near) / (_root(near, 1.0) + 1.0))


@bent_identity.derivative
def _(x: Array) -> Array:
    near = _finite(x)
    return 1.0 + (0.5 * near) / _root(near, 1.0)


@bent_identity.second_derivative
def _(x: Array) -> Array:
    i = 1.0 / _root(x, 1.0)
    return ((0.5 * i) * i) * i
