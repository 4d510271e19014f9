"""The accuracy contract of activations over rows: the rows that it is tried on, and its bounds."""

import jax.numpy as jnp
import ml_dtypes
import numpy as np

EPS = 2.0**-23
# an activation with its parameters; every rowwise activation is among them
TABLE = [
    ("softmax", {}),
    ("softmin", {}),
    ("log_softmax", {}),
    ("sparsemax", {}),
    ("entmax15", {}),
    ("entmax", {"alpha": 1.5}),
    ("entmax", {"alpha": 1.1}),
    ("entmax", {"alpha": 1.3}),
    ("entmax", {"alpha": 2.0}),
    ("entmax", {"alpha": 2.5}),
    ("entmax", {"alpha": 4.0}),
]
ONCE = [(name, params) for name, params in TABLE if params in ({}, {"alpha": 1.3})]  # each activation one time


def logits(n, dtype, seed=0):
    """Rows at several scales and offsets, one hot, all equal, and all but one excluded."""
    rng = np.random.default_rng(seed + n)
    scales = np.array([1e-3, 0.1, 1.0, 10.0, 1e4, 1.0, 3.0])[:, None]
    offsets = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 1000.0, -1000.0])[:, None]
    normal = rng.normal(size=(len(scales), n)) * scales + offsets
    hot = np.where(np.arange(n) == n // 3, 50.0, 0.0)
    alone = np.where(np.arange(n) == n // 2, -2.5, -np.inf)
    x = np.vstack([normal, hot, np.full(n, 7.25), alone])
    return jnp.asarray(np.clip(x, -3e4, 3e4, out=x, where=np.isfinite(x)).astype(dtype))


def bound(name, x, wanted):
    """The contract of float32, absolute."""
    if name in ("softmax", "softmin"):
        z = x if name == "softmax" else -x
        with np.errstate(invalid="ignore"):
            return EPS * wanted * (4 + np.nan_to_num(z.max(-1, keepdims=True) - z))
    if name == "log_softmax":
        return 4 * EPS * np.maximum(1.0, np.abs(wanted))
    return np.full_like(wanted, 4 * EPS)


def rounding(wanted, dtype):
    """Half a unit in the last place of a 16-bit dtype; float32 results are rounded within their contract."""
    info = ml_dtypes.finfo(dtype)
    if dtype == jnp.float32:
        return np.full_like(wanted, float(info.smallest_normal))  # a smaller one may be zero
    _, exponent = np.frexp(np.maximum(np.abs(wanted), float(info.smallest_normal)))
    return np.ldexp(float(info.eps) / 4, exponent)
