"""Every case, from the names of the catalogue and a few sizes; the most telling first."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp

import jaxact
from benchmarks.gpu import context, plain
from benchmarks.gpu.case import Case, Operand, both_directions
from jaxact._src import catalogue
from jaxact._src.function import Elementwise

DTYPES: Final = ("bfloat16", "float32")
NUMBERS: Final = (0.5, 2.0)  # for parameters without a default
# Functions whose arithmetic takes longer than their memory traffic, by counted instructions.
COMPUTE_BOUND: Final = ("gelu approximate=False", "mish", "softplus")
SUMMED: Final = 0.01  # of the largest gradient: sums of hundreds of millions of terms that cancel
FREQUENT: Final = ("gelu", "silu", "relu", "sigmoid", "tanh")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large cases are.

    Attributes:
      elements: Of an array, where nothing else is said: 256 MB in bfloat16.
      lengths: Of rows.
      telling: Those that come first.
      columns: Of elementwise and quantised arrays.
      half: Of gated arrays.
      others: Further numbers of elements, from 64 MB to 2 GB in bfloat16.
      blocks: Those of `context`.
    """

    elements: int = 2**27
    lengths: tuple[int, ...] = tuple(1024 * k for k in (1, 2, 4, 8, 16, 32, 48, 64, 128, 256, 512))
    telling: tuple[int, ...] = (8192, 32768, 131072)
    columns: int = 8192
    half: int = 11008
    others: tuple[int, ...] = (2**25, 2**28, 2**30)
    blocks: context.Sizes = dataclasses.field(default_factory=context.Sizes)


TINY: Final = Sizes(512, (128, 200), (128,), 128, 128, (1024,), context.Sizes(8, 16, 32, 2, 16, 8))

PARTS: Final = ("context", "rowwise", "gated", "quantise", "elementwise", "parametric", "fused")


def cases(only: str | None = None, sizes: Sizes = Sizes()) -> list[Case]:
    """Those of a part, or all, by their worth."""
    makers: dict[str, Callable[[Sizes, str], Iterator[Case]]] = {
        "rowwise": _rowwise,
        "gated": _gated,
        "quantise": _quantised,
        "elementwise": _elementwise,
        "parametric": _parametric,
        "fused": _fused,
    }
    found = context.cases(sizes.blocks) if only in (None, "context") else []
    for part, make in makers.items():
        if only in (None, part):
            found += [case for dtype in DTYPES for case in make(sizes, dtype)]
    return sorted(found, key=lambda case: case.worth)


def representatives(found: Sequence[Case]) -> list[Case]:
    """One case of each part and direction."""
    first: dict[tuple[str, str], Case] = {}
    for case in found:
        first.setdefault((case.part, case.direction), case)
    return list(first.values())


def _array(elements: int, columns: int, dtype: str, **how: Any) -> Operand:
    return Operand((max(1, elements // columns), columns), dtype, **how)


def _rowwise(sizes: Sizes, dtype: str) -> Iterator[Case]:
    for name, by_hand in plain.ROWWISE.items():
        for n in sizes.lengths:
            worth = (0 if dtype == "bfloat16" else 4) if n in sizes.telling else (5 if dtype == "bfloat16" else 7)
            function = getattr(jaxact, name)
            x = _array(sizes.elements, n, dtype, scale=2.0)
            yield from both_directions(
                part="rowwise", name=name, operands=(x,), function=function, plain=by_hand, worth=worth
            )
    for n in sizes.telling[:2]:
        yield from both_directions(
            part="rowwise",
            name="entmax alpha=1.25",
            operands=(_array(sizes.elements, n, dtype, scale=2.0),),
            function=functools.partial(jaxact.entmax, alpha=1.25),
            plain="there is no form of it by sorting",
            worth=4 if dtype == "bfloat16" else 7,
        )
        x, mask = _array(sizes.elements, n, dtype, scale=2.0), _array(sizes.elements, n, dtype, mask=True)
        yield from both_directions(
            ("forward",),
            part="rowwise",
            name="softmax masked",
            operands=(x, mask),
            function=lambda x, where, implementation: jaxact.softmax(
                x, where=where, implementation=implementation
            ),
            plain=plain.softmax,
            worth=2 if dtype == "bfloat16" else 7,
        )


def _gated(sizes: Sizes, dtype: str) -> Iterator[Case]:
    for name in plain.GATES:
        function, by_hand = getattr(jaxact, name), plain.gated(name)
        for elements in (sizes.elements, *(sizes.others if name == "swiglu" and dtype == "bfloat16" else ())):
            usual = 2 if dtype == "bfloat16" and name != "reglu" else 6
            yield from both_directions(
                part="gated",
                name=name,
                operands=(_array(elements, 2 * sizes.half, dtype),),
                function=function,
                plain=by_hand,
                worth=usual if elements == sizes.elements else 8,
            )


def _quantised(sizes: Sizes, dtype: str) -> Iterator[Case]:
    activations = {"silu": jax.nn.silu, "gelu": jax.nn.gelu, "swiglu": plain.gated("swiglu")}
    for name, by_hand in activations.items():
        # a number at the edge of two steps may go to either: 1 of 127, or 32 of 448
        for to, off in (("int8", 1.5 / 127), ("float8_e4m3fn", 48 / 448)):
            for block in (None, 128):
                columns = 2 * sizes.columns if name == "swiglu" else sizes.columns
                yield Case(
                    part="quantise",
                    name=f"act_quant {name} {to} {'by block' if block else 'by row'}",
                    direction="forward",
                    operands=(_array(sizes.elements, columns, dtype),),
                    function=functools.partial(act_quant, activation=name, dtype=to, block=block),
                    plain=plain.quantised(by_hand, to, block),
                    worth=2 if dtype == "bfloat16" and name != "gelu" else 6,
                    tolerance=off,
                    measured=dequantised,
                )


def act_quant(x: Any, *, activation: str, dtype: Any, block: int | None, implementation: Any) -> Any:
    """`jaxact.act_quant` as a case calls it."""
    return jaxact.act_quant(x, activation, dtype, block, implementation=implementation)


def dequantised(result: Any) -> jax.Array:
    """The numbers that (q, scale) stand for."""
    q, scale = result
    blocks = q.astype(jnp.float32).reshape(*q.shape[:-1], scale.shape[-1], -1)
    return (blocks * scale[..., None].astype(jnp.float32)).reshape(q.shape)


def _elementwise(sizes: Sizes, dtype: str) -> Iterator[Case]:
    for name, activation in catalogue.activations().items():
        if not isinstance(activation, Elementwise):
            continue
        required = [k for k, p in activation.definition.parameters.items() if p.required]
        numbers = dict(zip(required, NUMBERS))
        for flags in ({}, {"approximate": False}) if name == "gelu" else ({},):
            called = " ".join([name, *(f"{k}={v}" for k, v in flags.items())])
            given = {**numbers, **flags}
            frequent = called in COMPUTE_BOUND or called in FREQUENT
            worth = (3 if dtype == "bfloat16" else 6) if frequent else (7 if dtype == "bfloat16" else 9)
            for elements in (sizes.elements, *(sizes.others if called == "silu" and dtype == "bfloat16" else ())):
                yield from both_directions(
                    part="elementwise",
                    name=called,
                    operands=(_array(elements, sizes.columns, dtype),),
                    function=functools.partial(activation, **given),
                    plain=plain.elementwise(name, given),
                    worth=worth if elements == sizes.elements else 8,
                )


def _parametric(sizes: Sizes, dtype: str) -> Iterator[Case]:
    by_hand: dict[str, plain.Function] = {
        "prelu": lambda x, a: jnp.where(x > 0, x, (a * x.astype(jnp.float32)).astype(x.dtype)),
        "swish_beta": lambda x, b: (x * jax.nn.sigmoid(b * x.astype(jnp.float32))).astype(x.dtype),
    }
    for name, function in by_hand.items():
        yield from both_directions(
            part="parametric",
            name=f"{name} by channel",
            operands=(
                _array(sizes.elements, sizes.columns, dtype),
                Operand((sizes.columns,), "float32", scale=0.25),
            ),
            function=getattr(jaxact, name),
            plain=function,
            worth=3 if dtype == "bfloat16" else 6,
        )
    of_numbers = {"xielu": 2, "dyt": 3, "pade": 10}  # parameters with a gradient each, summed over all elements
    for name, count in of_numbers.items():
        yield from both_directions(
            part="parametric",
            name=f"{name} by number",
            operands=(_array(sizes.elements, sizes.columns, dtype), *[Operand((), "float32", scale=0.25)] * count),
            function=functools.partial(_of_parameters, getattr(jaxact, name)),
            plain=f"jax.nn has no {name}",
            worth=4 if dtype == "bfloat16" else 7,
            tolerance=SUMMED,
        )


def _of_parameters(function: Any, x: Any, *parameters: Any, implementation: Any) -> Any:
    """With positive parameters."""
    return function(x, *(jnp.abs(p) + 0.5 for p in parameters), implementation=implementation)


def _fused(sizes: Sizes, dtype: str) -> Iterator[Case]:
    def own(x: Any, bias: Any, residual: Any, *, implementation: Any) -> Any:
        return jaxact.fused(x, "gelu", bias=bias, residual=residual, implementation=implementation)

    x = _array(sizes.elements, sizes.columns, dtype)
    yield from both_directions(
        part="fused",
        name="gelu(x + bias) + residual",
        operands=(x, Operand((sizes.columns,), dtype), x),
        function=own,
        plain=lambda x, bias, residual: jax.nn.gelu(x + bias) + residual,
        worth=4 if dtype == "bfloat16" else 6,
    )
