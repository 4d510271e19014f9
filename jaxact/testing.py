"""`check_activation`: whether a function behaves as an activation should. Needs ``jaxact[testing]``."""

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxact._src.checks import shown
from jaxact.registry import get

Array = jax.Array
Function = Callable[[Any], Array]

__all__ = ["check_activation"]

_BATCH = 3
_STEP = 1e-6  # of central differences in float64: truncation and rounding are both below 1e-9 of f''' and f


def check_activation(
    fn: str | Callable[..., Any],
    shapes: Sequence[Sequence[int]] = ((), (7,), (2, 3, 4)),
    dtypes: Sequence[Any] = ("float32", "bfloat16", "float16"),
    *,
    params: Mapping[str, Any] | None = None,
) -> None:
    """Check that a function is a well-behaved activation, at sampled points.

    For every shape and dtype: shape and dtype are kept; value and gradient of finite input are finite; jit gives
    what eager gives, and vmap what a loop gives; NaN gives NaN. For every shape in float64: forward mode agrees
    with finite differences, and reverse mode with forward mode.

    Args:
      fn: A name, a callable of one array or a module; it may work along rows, as softmax does.
      shapes: Shapes to try.
      dtypes: Floating dtypes to try.
      params: Parameters, by name.

    Raises:
      TypeError: `fn` is no callable, `shapes`, `dtypes` or `params` of another kind, or a dtype is not floating.
      AssertionError: A check fails; the message tells which, for which shape and dtype.
      ImportError: chex is not installed.

    >>> import jax.numpy as jnp, jaxact
    >>> from jaxact.testing import check_activation
    >>> check_activation("leaky_relu", shapes=[(4,)], params={"negative_slope": 0.2})
    >>> check_activation(lambda x: jnp.where(x > 0, x, 0.0), shapes=[(4,)])
    Traceback (most recent call last):
    AssertionError: <lambda>: NaN does not give NaN, shape (4,), dtype float32, but [0. 0.]
    """
    chex = _chex()
    if not isinstance(fn, str) and not callable(fn):
        raise TypeError(f"check_activation: fn must be a name or a callable of one array, got {shown(fn)}")
    shapes, dtypes, given = _shapes(shapes), _dtypes(dtypes), _parameters(params)
    name = fn if isinstance(fn, str) else getattr(fn, "__name__", type(fn).__name__)
    found = get(fn, **given) if isinstance(fn, str) else functools.partial(fn, **given)

    def call(x: Any) -> Array:
        return found(x)

    for shape in shapes:
        for dtype in dtypes:
            where = f", shape {shape}, dtype {dtype.name}"
            x = _sample(shape, dtype)
            for check in (_keeps_its_form, _is_finite, _jit_is_eager, _vmap_is_a_loop, _nan_goes_through):
                check(chex, call, x, name, where)
        with jax.enable_x64(True):
            _derivatives_agree(chex, call, _sample(shape, jnp.dtype("float64")), name, f", shape {shape}, float64")


def _sequence(argument: str, of: str, value: Any) -> list[Any]:
    if isinstance(value, str | Mapping) or not isinstance(value, Sequence):
        raise TypeError(f"check_activation: {argument} must be a sequence of {of}, got {shown(value)}")
    return list(value)


def _shapes(shapes: Any) -> list[tuple[int, ...]]:
    found = []
    for shape in _sequence("shapes", "shapes, such as [(), (2, 3)]", shapes):
        sizes = shape if isinstance(shape, Sequence) and not isinstance(shape, str) else (None,)
        if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in sizes):
            raise TypeError(f"check_activation: a shape must be a tuple of sizes, 0 or above, got {shown(shape)}")
        found.append(tuple(sizes))
    return found


def _dtypes(dtypes: Any) -> list[Any]:
    found = []
    for dtype in _sequence("dtypes", 'floating-point dtypes, such as ["float32"]', dtypes):
        try:
            found.append(jnp.dtype(dtype) if dtype is not None else np.dtype(object))
        except TypeError:
            found.append(np.dtype(object))
        if not jnp.issubdtype(found[-1], jnp.floating):
            raise TypeError(f"check_activation: dtypes must be floating-point ones, got {shown(dtype)}")
    return found


def _parameters(params: Any) -> dict[str, Any]:
    if params is not None and not (isinstance(params, Mapping) and all(isinstance(n, str) for n in params)):
        raise TypeError(f"check_activation: params must be a dictionary by name or None, got {shown(params)}")
    return dict(params or {})


def _chex() -> Any:
    try:
        return importlib.import_module("chex")
    except ImportError as error:
        raise ImportError("jaxact.testing needs chex: pip install 'jaxact[testing]'") from error


@contextlib.contextmanager
def _claim(failure: str) -> Iterator[None]:
    """Turn whatever goes wrong into an AssertionError that begins with what it means."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{failure}: {error}") from error


def _sample(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> Array:
    """Points of which no finite difference crosses a kink, and whose exponential the dtype holds."""
    limit = min(10.0, 0.9 * float(np.log(float(jnp.finfo(dtype).max))))
    points = np.random.default_rng(seed).normal(0, limit / 2, shape)
    return jnp.asarray(np.clip(points, -limit, limit), dtype)


def _tolerance(dtype: Any) -> dict[str, float]:
    """What compiled and eager code may differ by, where eager code rounds after every step."""
    eps = float(jnp.finfo(dtype).eps)
    return {"rtol": 8 * eps, "atol": 8 * eps}


def _close(chex: Any, a: Array, b: Array, **tolerance: float) -> None:
    wide = [np.asarray(v, np.float64) for v in (a, b)]  # numpy compares no bfloat16
    chex.assert_trees_all_close(*wide, **tolerance)


def _keeps_its_form(chex: Any, call: Function, x: Array, name: str, where: str) -> None:
    with _claim(f"{name}: the call fails{where}"):
        y = call(x)
    with _claim(f"{name}: the shape is not kept{where}"):
        chex.assert_shape(y, x.shape)
    with _claim(f"{name}: the dtype is not kept{where}"):
        chex.assert_type(y, x.dtype)


def _is_finite(chex: Any, call: Function, x: Array, name: str, where: str) -> None:
    with _claim(f"{name}: the value is not finite{where}"):
        chex.assert_tree_all_finite(call(x))
    with _claim(f"{name}: reverse mode fails{where}"):
        (gradient,) = jax.vjp(call, x)[1](jnp.ones_like(x))
    with _claim(f"{name}: the gradient is not finite{where}"):  # 0 * inf of a branch that is not taken
        chex.assert_tree_all_finite(gradient)


def _jit_is_eager(chex: Any, call: Function, x: Array, name: str, where: str) -> None:
    with _claim(f"{name}: jit differs from eager{where}"):
        _close(chex, jax.jit(call)(x), call(x), **_tolerance(x.dtype))


def _vmap_is_a_loop(chex: Any, call: Function, x: Array, name: str, where: str) -> None:
    batch = jnp.stack([_sample(x.shape, x.dtype, seed) for seed in range(_BATCH)])
    with _claim(f"{name}: vmap differs from a loop{where}"):
        _close(chex, jax.vmap(call)(batch), jnp.stack([call(v) for v in batch]), **_tolerance(x.dtype))


def _nan_goes_through(chex: Any, call: Function, x: Array, name: str, where: str) -> None:
    holes = np.arange(x.size).reshape(x.shape) % 3 == 0
    with_holes = jnp.where(holes, jnp.asarray(np.nan, x.dtype), x)
    with jax.debug_nans(False):
        y = np.asarray(call(with_holes), np.float64)
    lost = holes & ~np.isnan(y)
    assert not lost.any(), f"{name}: NaN does not give NaN{where}, but {y[lost]}"


def _derivatives_agree(chex: Any, call: Function, x: Array, name: str, where: str) -> None:
    _keeps_its_form(chex, call, x, name, where)
    rng = np.random.default_rng(1)
    u, v = (jnp.asarray(rng.normal(size=x.shape)) for _ in range(2))
    with _claim(f"{name}: forward mode fails{where}"):
        tangent = jax.jvp(call, (x,), (u,))[1]
    difference = (call(x + _STEP * u) - call(x - _STEP * u)) / (2 * _STEP)
    with _claim(f"{name}: forward mode differs from finite differences{where}"):
        _close(chex, tangent, difference, rtol=1e-5, atol=1e-6)
    with _claim(f"{name}: reverse mode fails{where}"):
        (cotangent,) = jax.vjp(call, x)[1](v)
    scale = float(jnp.abs(v * tangent).sum())
    with _claim(f"{name}: reverse mode differs from forward mode{where}"):
        _close(chex, jnp.vdot(cotangent, u), jnp.vdot(v, tangent), atol=1e-10 * scale, rtol=0.0)
