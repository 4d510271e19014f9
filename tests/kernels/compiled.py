"""The programs that are compiled for each GPU: every kernel, and every activation's own bodies inside one.

A case is a function and the shapes of its arguments. Other kernels' tests add theirs by their own list in `CASES`.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

import jaxact
from benchmarks import gpu_static_cases
from jaxact._src import kernels
from kernels import bodies
from kernels.row_programs import row_cases
from pallas_kernels import gated, reduce
from pallas_kernels.elementwise import elementwise
from pallas_kernels.launch import vector_size

FLOATS = ("float32", "bfloat16", "float16")


@dataclasses.dataclass(frozen=True)
class Case:
    """A program.

    Attributes:
      accesses: The bytes that its widest load and its widest store have at least; a B200 may join two.
      donated: The arguments that it may write over.
    """

    name: str
    function: Callable[..., Any]
    args: tuple[jax.ShapeDtypeStruct, ...]
    accesses: tuple[int, int] = (16, 16)
    donated: tuple[int, ...] = ()


def array(*shape: int, dtype: Any = "float32") -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def silu(x: jax.Array) -> jax.Array:
    return x / (1.0 + jnp.exp2(x * -1.4426950408889634))


def elementwise_cases() -> Iterator[Case]:
    for dtype, out in itertools.product((*FLOATS, "float8_e4m3fn", "float8_e5m2"), repeat=2):
        yield Case(
            f"elementwise {dtype} to {out}",
            lambda x, out=out: elementwise(silu, [x], [out]),
            (array(1 << 20, dtype=dtype),),
            accesses=tuple(vector_size(dtype, out) * jnp.dtype(d).itemsize for d in (dtype, out)),
        )
    for dtype in FLOATS:
        x, row = array(512, 11008, dtype=dtype), array(11008, dtype=dtype)
        yield Case(
            f"elementwise rows {dtype}",
            lambda x, r, b, dtype=dtype: elementwise(lambda x, r, b: silu(x + r) * b, [x], [dtype], rows=[r, b]),
            (x, row, array()),
        )
        yield Case(
            f"elementwise in place {dtype}",
            lambda x, dtype=dtype: elementwise(silu, [x], [dtype], in_place=True),
            (x,),
            donated=(0,),
        )
        yield Case(
            f"elementwise odd size {dtype}",
            lambda x, dtype=dtype: elementwise(silu, [x], [dtype]),
            (array(1_000_003, dtype=dtype),),
        )


def gated_cases() -> Iterator[Case]:
    for dtype, layout in itertools.product(FLOATS, ("concat", "interleaved", "pair")):
        half = array(256, 11008, dtype=dtype)
        x = (half, half) if layout == "pair" else (array(256, 2 * 11008, dtype=dtype),)
        how = {} if layout == "pair" else {"layout": layout}
        # Pairs of 4 bytes are read by halves; pairs of 2 bytes as words, of which a result has half the size.
        packed = halved = (16, 16)
        if layout == "interleaved":
            packed, halved = ((4, 4), (4, 4)) if dtype == "float32" else ((16, 16), (16, 8))

        def forward(*x, how=how):
            return gated.forward(lambda g, u: silu(g) * u, x if len(x) == 2 else x[0], **how)

        def backward(ct, *x, how=how):
            def body(g, u, c):
                return c * u * silu(g), c * silu(g)

            return gated.backward(body, x if len(x) == 2 else x[0], ct, **how)

        yield Case(f"gated forward {layout} {dtype}", forward, x, halved)
        yield Case(f"gated backward {layout} {dtype}", backward, (half, *x), packed)


def reduce_cases() -> Iterator[Case]:
    def run(x, ct, *parameters):
        def body(x, ct, *parameters):
            left = jnp.where(x > 0.0, 0.0, x)
            terms = [ct * left]
            for _ in parameters[1:]:
                terms.append(terms[-1] * x)
            return ct * parameters[0] * left, terms

        return reduce.backward(body, x, parameters, ct)

    for dtype, count in itertools.product(FLOATS, (1, 10)):
        for shape, kind in (((8192, 4096), "channels"), ((8192, 4096), "numbers"), ((65536, 96), "channels")):
            x = array(*shape, dtype=dtype)
            parameters = [array(*(shape[-1:] if kind == "channels" else ()))] * count
            yield Case(f"reduce {dtype} {shape} {count} {kind}", run, (x, x, *parameters))


def activation_cases() -> Iterator[Case]:
    """Value and linear map of every activation: of bfloat16, and of float32 where that profile has another body.

    The same body holds half as many float32 elements in registers.
    """
    for body in bodies.ALL:
        for dtype in ("bfloat16", "float32"):
            if dtype == "float32" and body.operations("float32") == body.operations("bfloat16"):
                continue
            x = array(1 << 20, dtype=dtype)
            yield Case(
                f"{body.name} {dtype}",
                lambda *xs, body=body, dtype=dtype: elementwise(body.of(dtype), xs, [dtype]),
                (x,) * body.operands,
                accesses=(8, 8) if body.case.name == "pade" else (16, 16),
            )


def parameter_cases() -> Iterator[Case]:
    """Gradients in x and in every parameter, one a channel, of activations with long bodies or many parameters."""
    x, channel = array(4096, 4096, dtype="bfloat16"), array(4096, dtype="bfloat16")
    counts = {"acon_c": 3, "dice": 3, "dyt": 3, "snake_beta": 2, "srelu": 4, "xielu": 2}
    parameters = {name: [channel] * count for name, count in counts.items()}
    parameters["rational"] = [array(n, dtype="bfloat16") for n in (6, 4)]
    for name, given in parameters.items():
        operation = gpu_static_cases.Case(name, getattr(jaxact, name), (x, *given), "backward").operation()
        kernel = kernels.find(*operation)
        assert isinstance(kernel, kernels.Kernel), kernel
        accesses = (4, 4) if name == "rational" else (8, 8)
        yield Case(f"{name}, gradients in parameters", kernel.run, kernel.operands, accesses=accesses)


CASES = [
    *elementwise_cases(),
    *gated_cases(),
    *reduce_cases(),
    *parameter_cases(),
    *row_cases(Case, array, silu),
    *activation_cases(),
]
