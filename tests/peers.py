"""What the tests against the real Keras, PyTorch, transformers and entmax share (``pip install 'jaxact[peers]'``).

A peer is evaluated in float64, so that its own rounding, which is often larger than jaxact's, does not hide a
difference: what is compared is the function. Names come from the installed package by a rule; one that jaxact does
not know fails.
"""

import dataclasses
import importlib
import inspect
import pathlib
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import ORACLE
from ulp import errors, near_root

from jaxact._src import dialects
from jaxact._src.function import Elementwise
from jaxact.registry import Bound

# Both signs, from where functions are straight lines to where they saturate or overflow; no kink among them.
MAGNITUDES = np.concatenate([np.geomspace(1.7e-6, 97.0, 60), [1.1e3, 1.3e6, 1.7e9, 1.9e20]])
X = np.concatenate([-MAGNITUDES, MAGNITUDES]).astype(np.float32)
_RNG = np.random.default_rng(7)
ROWS = np.concatenate([3 * _RNG.standard_normal((16, 8)), _RNG.permutation(X).reshape(16, 8)]).astype(np.float32)
ULPS = (4.0, 8.0)  # value and first derivative: jaxact's contract in float32
EPS = float(np.finfo(np.float32).eps)


def require(package: str) -> Any:
    """Import a package or skip the file; what it warns of while it is imported is its own business."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(package)
        except ModuleNotFoundError as missing:
            if missing.name != package.partition(".")[0]:
                raise
    return pytest.skip(f"{package} is not installed; pip install 'jaxact[peers]'", allow_module_level=True)


def cotangents(shape: tuple[int, ...]) -> np.ndarray:
    """Numbers about 1 of either sign."""
    rng = np.random.default_rng(11)
    return (rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape)).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Setting:
    """A name of a dialect with parameters."""

    name: str
    params: Mapping[str, Any]

    def __str__(self) -> str:
        return "-".join([self.name, *(f"{k}={v}" for k, v in self.params.items())])


def settings(names: Iterable[str], table: Mapping[str, list[dict[str, Any]]]) -> list[Setting]:
    """Every name at its defaults, unless the table has an entry that says what else, or what instead."""
    return [Setting(n, p) for n in names for p in table.get(n, [{}])]


def parameters(function: Callable[..., Any]) -> list[str]:
    """The names that a function takes after x; those of a builtin are in the first line of its documentation."""
    try:
        return list(inspect.signature(function).parameters)[1:]
    except ValueError:
        inside = re.match(r"\s*\w+\((.*?)\) ->", function.__doc__ or "")
        assert inside, function
        return [p.partition("=")[0].strip() for p in inside[1].split(",")][1:]


def uncovered(
    dialect: str, functions: Mapping[str, Callable[..., Any]], all_settings: list[Setting]
) -> dict[str, set[str]]:
    """Parameters of the peer's functions that no setting gives and that jaxact does not take in vain."""
    missing = {}
    for name, function in functions.items():
        given = {k for s in all_settings if s.name == name for k in s.params}
        _, entry = dialects.find(name, dialect)
        vain = {k for k, ours in entry.parameters.items() if isinstance(ours, dialects.Unused)}
        if left := set(parameters(function)) - given - vain:
            missing[name] = left
    return missing


# -- jaxact in float32 -----------------------------------------------------------------------------------------


def ours(activation: Callable[..., Any], x: np.ndarray, ones: bool) -> tuple[np.ndarray, np.ndarray]:
    """y, and the gradient of a sum of y, weighted unless `ones`."""

    def both(v: jax.Array) -> tuple[jax.Array, jax.Array]:
        y, pullback = jax.vjp(activation, v)
        ct = jnp.ones_like(y) if ones else jnp.asarray(cotangents(y.shape), y.dtype)
        return y, pullback(ct)[0]

    y, dx = jax.jit(both)(jnp.asarray(x))
    return np.asarray(y), np.asarray(dx)


def in_jax_float64(function: Callable[..., Any], x: np.ndarray, ones: bool) -> tuple[np.ndarray, np.ndarray]:
    """The same of a peer that is made of jax."""
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        return ours(function, x.astype(np.float64), ones)


def in_torch_float64(function: Callable[..., Any], x: np.ndarray, ones: bool) -> tuple[np.ndarray, np.ndarray]:
    """The same of a peer that is made of torch."""
    torch = require("torch")
    leaf = torch.tensor(x.astype(np.float64), requires_grad=True)
    y = function(leaf * 1)  # a leaf can't be overwritten by what works in place
    ct = np.ones(y.shape) if ones else cotangents(tuple(y.shape)).astype(np.float64)
    y.backward(torch.tensor(ct))
    return y.detach().numpy(), leaf.grad.numpy()


def own(activation: Any) -> tuple[Any, dict[str, Any]]:
    """The activation of what `get` returned, and its parameters."""
    return (
        (activation.activation, dict(activation.parameters)) if isinstance(activation, Bound) else (activation, {})
    )


def kinks(activation: Any) -> tuple[float, ...]:
    """The finite kinks of an elementwise activation, as far as float32 holds them."""
    found, params = own(activation)
    if not isinstance(found, Elementwise):
        return ()
    return tuple(k for k in ORACLE[found.__name__].kinks(**params) if np.isfinite(k) and float(np.float32(k)) == k)


# -- closeness -------------------------------------------------------------------------------------------------


Peer = Callable[[np.ndarray, bool], tuple[np.ndarray, np.ndarray]]
Kinks = dict[float, tuple[float, float]]  # kink -> (their derivative, ours)


def check(activation: Any, theirs: Peer) -> Kinks:
    """Raise unless value and gradient agree with those of a peer in float64, gradients apart from kinks.

    Returns:
      The kinks where the derivative is another one.
    """
    found, params = own(activation)
    if isinstance(found, Elementwise):
        at = np.asarray(kinks(activation), np.float32)
        x = np.concatenate([X, at])
        mine, other = ours(activation, x, True), theirs(x, True)
        for order, limit in enumerate(ULPS):
            _check_order(found.__name__, params, order, limit, x[: None if order == 0 else X.size], mine, other)
        return _differences(at, other[1][X.size :], mine[1][X.size :])
    for actual, expected in zip(ours(activation, ROWS, False), theirs(ROWS, False)):
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual, expected, rtol=16 * EPS, atol=8 * EPS)
    return {}


def _check_order(
    name: str, params: dict[str, Any], order: int, limit: float, points: np.ndarray, actual: Any, expected: Any
) -> None:
    assert actual[order].shape == expected[order].shape
    x = points.astype(np.float64)
    mine, other = actual[order][: x.size], expected[order][: x.size]
    if np.isnan(other).any():  # the peer has no answer, jaxact has
        other = np.where(np.isnan(other), ORACLE[name].derivative(order)(x, **params), other)
    off = errors(mine, other, np.float32)
    with np.errstate(invalid="ignore"):
        apart = np.abs(mine - other)
    # where the peer's form has lost its digits even in float64: tails, and beside roots of derivatives
    if expected[0].dtype == np.float64:
        lost = apart <= 2.0**-42 * np.maximum(1.0, np.abs(x))
    else:  # it has no float64 form
        lost = apart <= 4 * EPS * np.maximum(1.0, np.abs(other))
    beside = near_root(x, ORACLE[name].roots(order, **params)) & (apart <= 4 * EPS)
    wrong = (off > limit) & ~lost & ~beside
    assert not wrong.any(), (name, order, x[wrong], mine[wrong], other[wrong], off[wrong])


def _differences(at: np.ndarray, theirs: np.ndarray, mine: np.ndarray) -> Kinks:
    return {
        float(k): (round(float(t), 6), round(float(m), 6))
        for k, t, m in zip(at, theirs, mine)
        if not np.isclose(t, m, rtol=1e-6)
    }


MIGRATION = pathlib.Path(__file__).parent.parent / "docs" / "guides" / "migration.md"


def stated_kinks(framework: str) -> dict[str, Kinks]:
    """What the page on migration says of a framework: call -> kink -> (theirs, ours)."""
    found: dict[str, Kinks] = {}
    for call, *numbers in re.findall(
        rf"^\| {framework} \| `(.*?)` \|(.*?)\|(.*?)\|(.*?)\|$", MIGRATION.read_text(), re.M
    ):
        kink, theirs, mine = map(float, numbers)
        found.setdefault(call, {})[kink] = (theirs, mine)
    return found
