"""jaxact's kernels on a machine without a GPU: in Pallas's interpreter, for the self-test.

The interpreter cannot be lowered inside of another primitive, so the activations of a program are replaced by the
kernels that would be lowered for them.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import jax

from jaxact._src import engine, kernels
from pallas_kernels import capability

_lock = threading.Lock()  # what is replaced while one thread traces is replaced for all


def why_not() -> str | None:
    """Why this JAX has no kernels, or None."""
    return capability.why_not("elementwise", platform="cuda", compute_capability=kernels.OLDEST)


def through_kernels(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with a kernel for each of its activations.

    Raises:
      NotImplementedError: When run, where one has none.
    """

    def run(*args: Any) -> Any:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        with _lock, _interpreting():
            results = _evaluate(closed.jaxpr, closed.consts, jax.tree.leaves(args))
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return functools.wraps(function)(run)


@contextlib.contextmanager
def _interpreting() -> Iterator[None]:
    """What is traced inside runs in the interpreter; the kernels of rows, which differ there, are told so."""
    from jax.experimental.pallas import mosaic_gpu as plgpu  # noqa: PLC0415  (only where there are kernels)

    from pallas_kernels import quantize, rows, rowwise  # noqa: PLC0415

    chosen = plgpu.InterpretGPUParams()

    def launch_rows(*args: Any, **options: Any) -> Any:
        return rows.launch_rows(*args, **{**options, "interpret": chosen})

    with contextlib.ExitStack() as stack:
        stack.enter_context(plgpu.force_gpu_interpret_mode(chosen))
        for module in (quantize, rowwise):
            stack.enter_context(mock.patch.object(module, "launch_rows", launch_rows))
        yield


def _evaluate(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    values: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))
    for equation in jaxpr.eqns:
        operands = [v.val if hasattr(v, "val") else values[v] for v in equation.invars]
        results = _apply(equation, operands)
        values.update(zip(equation.outvars, results))
    return [v.val if hasattr(v, "val") else values[v] for v in jaxpr.outvars]


def _apply(equation: Any, operands: Sequence[Any]) -> Sequence[Any]:
    asked = engine.activation_of(equation)
    if asked is not None:
        found = kernels.find(*asked)
        if isinstance(found, str):
            raise NotImplementedError(f"{equation.params['op'].name} has no kernel: {found}")
        return found.run(*operands)
    inner = equation.params.get("jaxpr")
    if equation.primitive.name in ("jit", "pjit"):
        return _evaluate(inner.jaxpr, inner.consts, operands)
    found = equation.primitive.bind(*operands, **equation.params)
    return found if equation.primitive.multiple_results else [found]
