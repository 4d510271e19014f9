"""Rows in float64, solved independently: sums by numpy, thresholds by sorting or by halving an interval.

All work along the last axis; entries of -inf are excluded, and a row with no other is all zeros (-inf for the
logarithm).
"""

from collections.abc import Callable

import mpmath
import numpy as np


def _centred(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, np.float64)
    top = np.max(x, axis=-1, keepdims=True)
    return x - np.where(np.isinf(top), 0.0, top)


def _empty(x: np.ndarray) -> np.ndarray:
    return np.all(np.isneginf(x), axis=-1, keepdims=True)


def logsumexp(x: np.ndarray) -> np.ndarray:
    """log(sum(exp(x))) of each row, kept as an axis of one."""
    top = np.max(x, axis=-1, keepdims=True)
    finite = np.where(np.isinf(top), 0.0, top)
    with np.errstate(divide="ignore"):
        return finite + np.log(np.sum(np.exp(x - finite), axis=-1, keepdims=True))


def log_softmax(x: np.ndarray) -> np.ndarray:
    x = _centred(x)
    return x - np.where(_empty(x), 0.0, logsumexp(x))


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(log_softmax(x))


def softmin(x: np.ndarray) -> np.ndarray:
    return softmax(-np.asarray(x, np.float64))


def sparsemax(x: np.ndarray) -> np.ndarray:
    """By sorting (arXiv:1602.02068): the support is the longest prefix with 1 + k z_k > sum of it."""
    z = np.maximum(_centred(x), -2.0)  # below -1 nothing is in the support
    ordered = -np.sort(-z, axis=-1)
    count = np.arange(1, z.shape[-1] + 1)
    sums = np.cumsum(ordered, axis=-1)
    size = np.sum(1 + count * ordered > sums, axis=-1, keepdims=True)
    threshold = (np.take_along_axis(sums, size - 1, -1) - 1) / size
    return np.where(_empty(x), 0.0, np.maximum(z - threshold, 0.0))


def entmax15(x: np.ndarray) -> np.ndarray:
    """By sorting (arXiv:1905.05702): in a prefix of mean m and k times its variance s, t = m - sqrt((1 - s)/k)."""
    z = np.maximum(_centred(x) / 2, -2.0)
    ordered = -np.sort(-z, axis=-1)
    count = np.arange(1, z.shape[-1] + 1)
    mean = np.cumsum(ordered, axis=-1) / count
    spread = np.cumsum(ordered**2, axis=-1) - count * mean**2
    thresholds = mean - np.sqrt(np.maximum((1 - spread) / count, 0.0))
    size = np.sum(thresholds <= ordered, axis=-1, keepdims=True)
    threshold = np.take_along_axis(thresholds, size - 1, -1)
    return np.where(_empty(x), 0.0, np.maximum(z - threshold, 0.0) ** 2)


def entmax(x: np.ndarray, alpha: float | np.ndarray = 1.5) -> np.ndarray:
    """By halving the interval of the threshold until it is a point of float64, for any alpha > 1."""
    rate = np.asarray(alpha, np.float64) - 1
    z = rate * _centred(x)
    low = np.full((*z.shape[:-1], 1), -1.0)
    high = np.zeros_like(low)
    for _ in range(80):
        middle = (low + high) / 2
        enough = np.sum(np.maximum(z - middle, 0.0) ** (1 / rate), axis=-1, keepdims=True) >= 1
        low, high = np.where(enough, middle, low), np.where(enough, high, middle)
    p = np.maximum(z - low, 0.0) ** (1 / rate)
    return np.where(_empty(x), 0.0, p / np.maximum(np.sum(p, axis=-1, keepdims=True), 1e-300))


def entmax_precise(row: np.ndarray, alpha: float) -> np.ndarray:
    """The same of one row to 60 digits: at the threshold of a large alpha float64 gives not one."""
    with mpmath.workdps(60):
        top = max(map(float, row))
        z = [(mpmath.mpf(float(v)) - top) * (alpha - 1) for v in row]
        q = 1 / mpmath.mpf(alpha - 1)

        def powers(t: mpmath.mpf) -> list[mpmath.mpf]:
            return [max(v - t, mpmath.mpf(0)) ** q for v in z]

        low, high = mpmath.mpf(-1), mpmath.mpf(0)
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if mpmath.fsum(powers(middle)) >= 1 else (low, middle)
        return np.array([float(p) for p in powers(low)])


VALUES: dict[str, Callable[..., np.ndarray]] = {
    f.__name__: f for f in (softmax, softmin, log_softmax, sparsemax, entmax15, entmax)
}


# -- analytic Jacobians dy_i/dx_j of one row ----------------------------------------------------------------------


def jacobian(name: str, x: np.ndarray, **parameters: float) -> np.ndarray:
    """The Jacobian of one row; excluded entries have zero rows and columns."""
    y = VALUES[name](x, **parameters)
    if name in ("softmax", "softmin"):
        sign = -1.0 if name == "softmin" else 1.0
        return sign * (np.diag(y) - np.outer(y, y))
    if name == "log_softmax":
        included = ~np.isneginf(y)
        full = np.eye(len(y)) - np.exp(y)[None, :]
        return np.where(included[:, None] & included[None, :], full, 0.0)
    alpha = {"sparsemax": 2.0, "entmax15": 1.5}.get(name) or parameters["alpha"]
    s = np.where(y > 0, np.where(y > 0, y, 1.0) ** (2 - alpha), 0.0)
    return np.diag(s) - np.outer(s, s) / max(np.sum(s), 1e-300)


def entmax_in_alpha(x: np.ndarray, alpha: float) -> np.ndarray:
    """dy_i/dalpha of one row, by differentiating y = u^q, u = (alpha - 1) x - t, sum(y) = 1 implicitly."""
    x = np.asarray(x, np.float64)
    y = entmax(x, alpha)
    on = y > 0
    q = 1 / (alpha - 1)
    u = np.where(on, y, 1.0) ** (alpha - 1)
    slope = np.where(on, q * u ** (q - 1), 0.0)  # dy/du
    fixed = slope * np.where(on, x, 0.0) - np.where(on, y * np.log(u), 0.0) * q * q  # at constant t
    return fixed - slope * np.sum(fixed) / np.sum(slope)
