"""Functions of two slopes: their backward selects, and needs no more than one bit an element."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from jaxact._src import elementary

Array = jax.Array


def select(condition: Array, a: Array, b: Array) -> Array:
    """a where the condition holds, else b, as whole numbers if they are narrow.

    XLA's CPU backend would widen them to float32 and round what it has selected.
    """
    if a.dtype.itemsize > 2:
        return jnp.where(condition, a, b)
    whole = jnp.dtype(f"uint{8 * a.dtype.itemsize}")
    found = jnp.where(condition, lax.bitcast_convert_type(a, whole), lax.bitcast_convert_type(b, whole))
    return lax.bitcast_convert_type(found, a.dtype)


def linear(steep: Array, slopes: tuple[float, float], t: Array) -> Array:
    """t times the first slope, or the second where `steep` says so; linear in t, and keeps eight bits a byte.

    Rematerialisation is what keeps them packed: linearised in t alone, it saves its inputs and unpacks them later.
    """
    kept = jnp.packbits(steep, axis=-1) if steep.ndim else steep
    return jax.checkpoint(functools.partial(_scaled, slopes=slopes), prevent_cse=False)(kept, t)


def _scaled(kept: Array, t: Array, slopes: tuple[float, float]) -> Array:
    bits = jnp.unpackbits(kept, axis=-1, count=t.shape[-1]).astype(bool) if t.ndim else kept
    wide = elementary.profile(None, t.dtype).dtype
    flat, steep = (jnp.asarray(s, wide) for s in slopes)
    return (jnp.where(bits, steep, flat) * t.astype(wide)).astype(t.dtype)
