"""One bit an element: all that the backward needs of a function that has two slopes."""

import functools

import jax
import jax.numpy as jnp

from jaxact._src import elementary

Array = jax.Array


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
