"""Points to evaluate at, and errors in units in the last place of the exact result."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import ml_dtypes
import numpy as np

# ---- points


def patterns(dtype) -> np.ndarray:
    """All finite values of an 8- or 16-bit type."""
    bits = np.dtype(dtype).itemsize * 8
    values = np.arange(2**bits, dtype=f"uint{bits}").view(dtype)
    return values[np.isfinite(values.astype(np.float32))]


def stratified(count: int, dense: Sequence[float] = (), seed: int = 0, dtype=np.float32) -> np.ndarray:
    """About `count` float32 or float64 points: half over all exponents and signs, half in [-20, 20].

    The special values are added, and a close neighbourhood of each point in `dense`.
    From four times the number of exponents on (1020 in float32), every exponent occurs with either sign.
    """
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)
    integer = np.dtype(f"uint{info.bits}").type
    each = max(count // 4, 1)
    exponent = np.linspace(0, 2 ** (info.bits - 1 - info.nmant) - 2, each).round().astype(integer)
    logarithmic = [
        ((exponent << integer(info.nmant)) | rng.integers(0, 2**info.nmant, each).astype(integer)).view(dtype)
        for _ in range(2)
    ]
    special = np.array([0, 1, info.max, info.smallest_normal, info.smallest_subnormal], dtype)
    special = np.append(special, np.nextafter(info.smallest_normal, dtype(0)))
    uniform = rng.uniform(-20, 20, count - 2 * each).astype(dtype)
    blocks = [logarithmic[0], -logarithmic[1], special, -special, uniform]
    blocks += [_neighbourhood(point, rng, info) for point in dense]
    points = np.sort(np.concatenate(blocks).view(integer))  # by bits: -0 stays beside +0
    return points[np.append(True, points[1:] != points[:-1])].view(dtype)


def _neighbourhood(point: float, rng, info, steps: int = 32) -> np.ndarray:
    """`steps` neighbours on either side one by one, then ever farther ones up to twice the point."""
    number = info.dtype.type
    center = number(point)
    near = [np.array([center])]
    for direction in (-np.inf, np.inf):
        here = center
        for _ in range(steps):
            here = np.nextafter(here, number(direction))
            near.append(np.array([here]))
    distance = (abs(point) or 1.0) * 2.0 ** -rng.uniform(0, info.nmant, 8 * info.nmant)
    return np.concatenate([*near, (point + distance).astype(number), (point - distance).astype(number)])


def near_root(points, roots: Sequence[float], relative: float = 0.08) -> np.ndarray:
    """Which points are within a fraction of a root; a root at 0 has no neighbourhood."""
    points = np.asarray(points, np.float64)
    mask = np.zeros(points.shape, bool)
    for root in roots:
        if root:
            mask |= np.abs(points - root) <= relative * abs(root)
    return mask


def on_a_kink(points: np.ndarray, kinks: Sequence[float]) -> np.ndarray:
    """Within two ULP of a kink, where the rounding of x decides the side; tests/test_kinks.py has the kinks."""
    x = points.astype(np.float64)
    near = [np.abs(x - k) <= 2.0**-22 * np.abs(k) for k in kinks if np.isfinite(k)]
    return functools.reduce(np.logical_or, near, np.zeros(x.shape, bool))


# ---- errors


def _pair(exact) -> tuple[np.ndarray, np.ndarray]:
    """exact = hi + lo in float64, from a float64 array, such a pair, or a sequence of mpmath numbers."""
    if isinstance(exact, tuple):
        hi, lo = exact
        return np.asarray(hi, np.float64), np.asarray(lo, np.float64)
    if isinstance(exact, np.ndarray) and exact.dtype != object:
        return exact.astype(np.float64), np.zeros(exact.shape)
    hi = np.array([float(e) for e in exact])
    lo = np.array([float(e - h) if np.isfinite(h) and h else 0.0 for e, h in zip(exact, hi, strict=True)])
    return hi, lo


def ulp(exact, dtype) -> np.ndarray:
    """The unit in the last place of `dtype` in the binade of |exact|, in float64."""
    info = ml_dtypes.finfo(dtype)
    exponent = np.frexp(np.where(np.isfinite(exact), exact, 0.0))[1] - 1
    exponent = np.where(exact == 0, info.minexp, np.clip(exponent, info.minexp, info.maxexp - 1))
    return np.ldexp(1.0, exponent - info.nmant)


def errors(actual, exact, dtype, flush: bool = True) -> np.ndarray:
    """Errors of `actual` in ULP of `dtype` at `exact`, with the contract's rules at both ends.

    An exact result below the smallest normal number counts 0 where the actual one is
    within 1 ULP or, with `flush`, a zero of the same sign; else inf. An exact 0 must give 0 of either sign.
    An exact result that overflows counts 0 where the actual one is what rounding gives; else inf.
    """
    hi, lo = _pair(exact)
    got = np.asarray(actual).astype(np.float64)
    with np.errstate(over="ignore"):
        error = _difference(got, hi, lo) / ulp(hi, dtype)

    info = ml_dtypes.finfo(dtype)
    small = (np.abs(hi) < float(info.smallest_normal)) & (hi != 0)
    flushed = (got == 0) & (flush | (error <= 1)) & (np.signbit(got) == np.signbit(hi))
    error = np.where(small, np.where(flushed | ((got != 0) & (error <= 1)), 0, np.inf), error)
    error = np.where(hi == 0, np.where(got == 0, 0, np.inf), error)

    rounded_inf = np.array([np.inf]).astype(dtype).astype(np.float64)
    fate = np.isnan(got) if np.isnan(rounded_inf) else got == np.copysign(np.inf, hi)
    error = np.where(_overflows(np.abs(hi), dtype), np.where(fate, 0, np.inf), error)
    return np.where(np.isnan(hi), np.where(np.isnan(got), 0, np.inf), error)


def _difference(actual, hi, lo) -> np.ndarray:
    """|actual - (hi + lo)|, inf where that is not a number."""
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs((actual.astype(np.float64) - hi) - lo)
    return np.where(np.isnan(off), np.inf, off)


def _overflows(size, dtype) -> np.ndarray:
    largest = float(ml_dtypes.finfo(dtype).max)
    with np.errstate(over="ignore"):
        limit = largest + ulp(np.float64(largest), dtype) / 2
    # a tie goes to even, which is the largest number only in float8_e4m3fn
    tie_stays = np.dtype(dtype) == np.dtype(ml_dtypes.float8_e4m3fn)
    return size > limit if tie_stays else size >= limit


# ---- measuring


@dataclass(frozen=True)
class Report:
    """The worst error over `count` points, and apart from it the worst one beside roots.

    `near_worst` is in units of eps times the largest result in the neighbourhood of the root.
    """

    name: str
    order: int | str
    dtype: str
    count: int
    worst: float
    at: float
    actual: float
    exact: float
    near_count: int = 0
    near_worst: float = 0.0
    near_at: float = float("nan")

    def within(self, limit: float, near_limit: float = 2.0) -> bool:
        return self.worst <= limit and self.near_worst <= near_limit

    def __str__(self) -> str:
        line = (
            f"{self.name} d{self.order} {self.dtype}: {self.worst:.4g} ULP at x={self.at!r}"
            f" (got {self.actual!r}, exact {self.exact!r}), {self.count} points"
        )
        if self.near_count:
            line += (
                f"; beside roots {self.near_worst:.3g} eps max|f| at x={self.near_at!r}, {self.near_count} points"
            )
        return line


@dataclass(frozen=True)
class Reference:
    """Exact results at some points, to report on any number of computed ones.

    Within 8% of a root of the result, float32 and float64 are held to an absolute error instead.
    """

    name: str
    order: int | str
    points: np.ndarray
    exact: tuple[np.ndarray, np.ndarray]
    near: np.ndarray  # whether a point is beside a root
    largest: np.ndarray  # of those points, the largest |result| around

    @classmethod
    def of(cls, oracle, order: int, points: np.ndarray, *, wrt: str | None = None, **params) -> Reference:
        x = points.astype(np.float64)
        derivative = functools.partial(oracle.derivative(order, wrt), **params)
        definition = functools.partial(oracle.exact, order=order, wrt=wrt, **params)
        exact = _pair([definition(float(v)) for v in x] if points.dtype == np.float64 else derivative(x))
        roots = oracle.roots(order, wrt, **params) if points.dtype.itemsize >= 4 else ()
        end = oracle.swings_beyond(order, wrt, **params) if roots else np.inf
        swinging = np.abs(x) > end
        near = near_root(x, roots) | swinging
        largest = _largest_around(x[near], roots, derivative)
        if swinging.any():
            some = x[swinging] if wrt else np.array([end])  # in x they are periodic
            largest[swinging[near]] = _largest_swing(some, oracle.period(**params), derivative)
        return cls(oracle.name, order if wrt is None else wrt, points, exact, near, largest)

    def report(self, actual, *, flush: bool = True, skip: np.ndarray | None = None) -> Report:
        """The worst error of computed results; points to `skip`, such as kinks, do not count."""
        actual, near, (hi, lo) = np.asarray(actual), self.near, self.exact
        error = np.where(near, 0.0, errors(actual, self.exact, self.points.dtype, flush))
        absolute = np.zeros(error.shape)
        if near.any():
            off = _difference(actual[near], hi[near], lo[near]) / float(np.finfo(self.points.dtype).eps)
            absolute[near] = off / self.largest
        left_out = np.zeros(error.shape, bool) if skip is None else skip
        error, absolute = np.where(left_out, 0.0, error), np.where(left_out, 0.0, absolute)
        i, j = int(np.argmax(error)), int(np.argmax(absolute))
        return Report(
            name=self.name,
            order=self.order,
            dtype=self.points.dtype.name,
            count=int(np.sum(~near & ~left_out)),
            worst=float(error[i]),
            at=float(self.points[i]),
            actual=float(actual[i]),
            exact=float(hi[i]),
            near_count=int(np.sum(near & ~left_out)),
            near_worst=float(absolute[j]),
            near_at=float(self.points[j]),
        )


def measure(
    function: Callable,
    oracle,
    order: int,
    dtype,
    points,
    *,
    wrt: str | None = None,
    flush: bool = True,
    **params,
) -> Report:
    """Compare `function` (array of dtype -> array of dtype) with an Oracle at `points`."""
    points = np.asarray(points).astype(dtype)
    return Reference.of(oracle, order, points, wrt=wrt, **params).report(function(points), flush=flush)


def _largest_around(points, roots: Sequence[float], derivative: Callable) -> np.ndarray:
    """For each point the largest |result| within 8% of the root it belongs to."""
    largest = np.zeros(points.shape)
    for root in roots:
        if root:
            here = np.max(np.abs(derivative(np.linspace(0.92, 1.08, 65) * root)))
            largest = np.where(near_root(points, [root]), np.maximum(largest, here), largest)
    return largest


def _largest_swing(points, period: float, derivative: Callable) -> np.ndarray:
    """For each point the largest of some |results| within half a period, never more than the largest of all."""
    around = points[:, None] + period * np.linspace(-0.5, 0.5, 5)
    return np.max(np.abs(derivative(around)), axis=1)
