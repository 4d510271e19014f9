"""What every activation is, independently of the library: float64 closed forms and 60-digit definitions.

ORACLE["silu"].value(x)                           float64 array -> float64 array, to 1e-14 relative
ORACLE["softplus"].parameters["beta"](x, beta=2)  derivative in a parameter
ORACLE["gelu"].exact(0.1, order=2)                mpmath, for float64 under test
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from . import textbook
from .formula import Formula
from .parametric import PARAMETRIC
from .piecewise import PIECEWISE
from .smooth import SMOOTH
from .trained import TRAINED

__all__ = ["ORACLE", "Oracle"]


@dataclass(frozen=True)
class Oracle:
    """Callables take a float64 array and the parameters by keyword; `exact` takes one finite number."""

    name: str
    value: Callable[..., np.ndarray]
    first: Callable[..., np.ndarray]
    second: Callable[..., np.ndarray]
    parameters: Mapping[str, Callable[..., np.ndarray]]
    kinks: Callable[..., tuple[float, ...]]
    period: Callable[..., float] | None = None

    @property
    def endless(self) -> bool:
        """Whether its derivatives swing for ever, without a limit."""
        return self.period is not None

    def derivative(self, order: int = 0, wrt: str | None = None) -> Callable[..., np.ndarray]:
        """The value (order 0), a derivative in x, or the first derivative in a parameter."""
        return (self.value, self.first, self.second)[order] if wrt is None else self.parameters[wrt]

    def exact(self, x, order: int = 0, wrt: str | None = None, **params):
        return textbook.exact(self.name, x, order, wrt, **params)

    def roots(self, order: int = 0, wrt: str | None = None, **params) -> tuple[float, ...]:
        """Where the result changes sign through 0, found numerically in 1e-6 <= |x| <= 1e3 (14 periods), and 0.

        And the kinks where it leaves 0 continuously, as soft_shrink does at its thresholds.
        """
        function = self.derivative(order, wrt)
        crossings = _roots(function, tuple(sorted(params.items())), self._end(**params))
        sides = np.array([1 - 1e-9, 1 + 1e-9])
        leaving = []
        for kink in filter(np.isfinite, self.kinks(**params)):
            y = np.abs(function(kink * sides, **params))
            if kink and y.any() and y.max() <= 1e-8 * max(1.0, abs(kink)):
                leaving.append(float(kink))
        return (*crossings, *leaving)

    def _end(self, **params) -> float:
        return 1e3 if self.period is None else 14 * self.period(**params)

    def swings_beyond(self, order: int = 0, wrt: str | None = None, **params) -> float:
        """From where on each point is within 8% of a root, since they recur every period; infinite for nowhere."""
        end = self._end(**params)
        if self.period is None or not any(
            x > end - self.period(**params) for x in self.roots(order, wrt, **params)
        ):
            return np.inf
        return end


# An infinite x gets the limit read off between these; their fifth powers are still finite.
FAR, FARTHER = 1e50, 1e55


# Elements at a time: the many arrays that a formula of two words makes stay in the cache.
BLOCK = 2**14


def _in_blocks(formula: Callable, x: np.ndarray, **params) -> np.ndarray:
    blocks = np.array_split(x.ravel(), max(-(-x.size // BLOCK), 1))
    values = [np.asarray(formula(b, **params), np.float64) + np.zeros_like(b) for b in blocks]
    return np.concatenate(values).reshape(x.shape)


def _everywhere(formula: Callable) -> Callable[..., np.ndarray]:
    """Extend a formula from finite x: limits at infinity, NaN for NaN."""

    @functools.wraps(formula)
    def extended(x, **params):
        x = np.asarray(x, np.float64)
        finite = np.isfinite(x)
        if np.all(finite):
            return _in_blocks(formula, x, **params)
        sign = np.where(np.isnan(x), 0.0, np.sign(x))
        far = _in_blocks(formula, np.where(finite, x, sign * FAR), **params)
        farther = far.copy()
        farther[~finite] = formula((sign * FARTHER)[~finite], **params)
        limit = np.where(
            np.isclose(far, farther, rtol=1e-3, atol=0),
            far,
            np.copysign(np.where(np.abs(farther) > np.abs(far), np.inf, 0.0), far),
        )
        return np.where(finite, far, np.where(np.isnan(x), np.nan, limit))

    return extended


@functools.cache
def _roots(function: Callable, params: tuple, end: float) -> tuple[float, ...]:
    params = dict(params)
    positive = np.geomspace(1e-6, end, 4001)
    grid = np.concatenate([-positive[::-1], [0.0], positive])
    y = function(grid, **params)
    roots = [float(x) for x, a, b, c in zip(grid[1:], y, y[1:], y[2:], strict=False) if b == 0 and a and c]
    i = np.flatnonzero(np.sign(y[:-1]) * np.sign(y[1:]) < 0)
    a, b, left = grid[i], grid[i + 1], y[i]
    while np.any(inside := (a < (middle := (a + b) / 2)) & (middle < b)):
        same = np.sign(function(middle, **params)) == np.sign(left)
        a, b = np.where(inside & same, middle, a), np.where(inside & ~same, middle, b)
    # at a jump across 0 the bracket has closed, and the result has not
    closed = np.abs(function(a, **params)) < 1e-9 * np.abs(left)
    return tuple(sorted([*roots, *map(float, a[closed])]))


def _oracle(name: str, formula: Formula) -> Oracle:
    functions = [_everywhere(f) for f in (formula.value, formula.first, formula.second)]
    parameters = {k: _everywhere(f) for k, f in formula.parameters.items()}
    return Oracle(name, *functions, parameters, formula.kinks, formula.period)


ORACLE = {name: _oracle(name, formula) for name, formula in (PIECEWISE | SMOOTH | PARAMETRIC | TRAINED).items()}
