"""The programs of rows that are compiled for each GPU, at the sizes that plans are made for."""

import functools
from collections.abc import Iterator
from typing import Any

from pallas_kernels import quantize, row_plan, rowwise

FLOATS = ("float32", "bfloat16")  # float16 compiles as bfloat16 does
ROWS = 64
ALIGNED, ANY = (16, 16), (1, 1)  # bytes of the widest load and store
# With a rest: held by one warpgroup, by four, and (the softmax family) read in a loop.
LENGTHS = (1023, 20007, 100001)


def row_cases(case: Any, array: Any, silu: Any) -> Iterator[Any]:
    """Cases of `kernels.compiled`: `case` makes one, `array` describes an argument."""
    for dtype in FLOATS:
        for name, kernel, operands in _kernels():
            lengths = {n for n in LENGTHS if row_plan.why_not(name, n) is None}
            for n in sorted(lengths | _longest_held(name, dtype)):
                x = array(ROWS, n, dtype=dtype)
                args = (x,) * operands
                yield case(f"{kernel.__name__} {dtype} {n}", kernel, args, accesses=ALIGNED if n % 8 == 0 else ANY)
                if kernel is rowwise.softmax and n in LENGTHS:
                    mask = array(ROWS, n, dtype="bool")
                    yield case(f"{kernel.__name__} masked {dtype} {n}", masked(kernel), (x, mask), accesses=ANY)
    yield from _quantised(case, array, silu)


def masked(kernel: Any) -> Any:
    return lambda x, where: kernel(x, where=where)


def _kernels() -> Iterator[tuple[str, Any, int]]:
    yield "softmax", rowwise.softmax, 1
    yield "softmax", _named("log_softmax", functools.partial(rowwise.softmax, log=True)), 1
    yield "softmax_backward", rowwise.softmax_backward, 2
    yield "log_softmax_backward", rowwise.log_softmax_backward, 2
    for alpha in (1.3, 1.5, 2.0):
        yield "entmax", _named(f"entmax{alpha}", functools.partial(rowwise.entmax, alpha=alpha)), 1
    yield (
        "entmax_backward",
        _named("entmax_backward1.3", functools.partial(rowwise.entmax_backward, alpha=1.3)),
        2,
    )


def _named(name: str, function: Any) -> Any:
    function.__name__ = name
    return function


def _longest_held(name: str, dtype: str) -> set[int]:
    """The longest rows of each plan without a loop."""
    held = [p for p in row_plan.PLANS[name] if not p.tiles]
    return {p.longest_float32 if dtype == "float32" else p.longest for p in held}


def _quantised(case: Any, array: Any, silu: Any) -> Iterator[Any]:
    for dtype in FLOATS:
        for out in ("int8", "float8_e4m3fn", "float8_e5m2"):
            for block, packed, n in (
                (None, False, 4096),
                (None, True, 1001),
                (128, False, 4096),
                (128, True, 1408),
            ):
                body = (lambda g, u: silu(g) * u) if packed else silu
                function = functools.partial(quantize.act_quant, body, dtype=out, block=block, packed=packed)
                x = array(ROWS, n * (1 + packed), dtype=dtype)
                yield case(f"act_quant {dtype} {out} {block} {packed} {n}", function, (x,), accesses=ANY)
        for n in _longest_held("act_quant", dtype):
            function = functools.partial(quantize.act_quant, silu, dtype="int8")
            yield case(f"act_quant {dtype} {n}", function, (array(ROWS, n, dtype=dtype),), accesses=ANY)
