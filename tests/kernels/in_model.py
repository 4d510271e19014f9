"""Compile blocks of models for an H200, with jaxact's default selection and with jax.nn, and count.

python -m kernels.in_model      prints, as JSON, the bytes that each moves, the fusions of single layers, and of
                                kernels, selected or asked for, how many, the bytes and those that have to move;
                                and the bytes of gradients along rows, as XLA makes them of the reference
"""

import functools
import inspect
import json
import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from cases import DEFAULTS, builtin

import jaxact
from benchmarks.gpu_static_cases import CASES
from benchmarks.machine_code import bytes_moved, nbytes
from jaxact._src import kernels
from jaxact._src.rowwise import LONGEST_ON_CHIP, RowwiseOperation
from kernels.deviceless import compile_for

GPU = "h200"
TOKENS, MODEL, HIDDEN, HEADS = 2048, 1024, 4096, 8
SHARED = [n for n in builtin() if hasattr(jax.nn, n) and "x" in inspect.signature(getattr(jax.nn, n)).parameters]


def array(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, "bfloat16")


def mlp(activation: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, up, bias, down: x + activation(x @ up + bias) @ down


def gated(activation: Callable[..., Any]) -> Callable[..., Any]:
    """`activation` takes the packed halves."""
    return lambda x, both, down: x + activation(x @ both) @ down


def attention(softmax: Callable[..., Any]) -> Callable[..., Any]:
    """`softmax` takes scores, a mask and a scale."""

    def block(q: Any, k: Any, v: Any) -> Any:
        length = q.shape[1]
        seen = jnp.tril(jnp.ones((length, length), bool))
        weights = softmax(jnp.einsum("hqd,hkd->hqk", q, k), seen, q.shape[-1] ** -0.5)
        return jnp.einsum("hqk,hkd->hqd", weights, v)

    return block


def own_softmax(scores: Any, seen: Any, scale: float) -> Any:
    return jaxact.softmax(scores, where=seen, scale=scale)


def peer_softmax(scores: Any, seen: Any, scale: float) -> Any:
    return jax.nn.softmax(jnp.where(seen, scores * scale, -jnp.inf))


def halves(activation: Callable[..., Any]) -> Callable[..., Any]:
    """What users of jax.nn write for a packed gate."""

    def run(x: Any) -> Any:
        gate, up = jnp.split(x, 2, axis=-1)
        return activation(gate) * up

    return run


def gradients(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(*operands: Any) -> Any:
        y, pull = jax.vjp(function, *operands)
        return y, pull(y)

    return run


MLP = (array(TOKENS, MODEL), array(MODEL, HIDDEN), array(HIDDEN), array(HIDDEN, MODEL))
GATED = (array(TOKENS, MODEL), array(MODEL, 2 * HIDDEN), array(HIDDEN, MODEL))
ATTENTION = (array(HEADS, TOKENS, MODEL // HEADS),) * 3
# name -> block of jaxact, of jax.nn, operands
BLOCKS: dict[str, tuple[Callable[..., Any], Callable[..., Any], Any]] = {
    **{
        f"mlp of {n}": (mlp(getattr(jaxact, n)), mlp(getattr(jax.nn, n)), MLP)
        for n in ("gelu", "silu", "mish", "relu")
    },
    "gated mlp of swiglu": (gated(jaxact.swiglu), gated(halves(jax.nn.silu)), GATED),
    "gated mlp of geglu": (gated(jaxact.geglu), gated(halves(jax.nn.gelu)), GATED),
    "attention": (attention(own_softmax), attention(peer_softmax), ATTENTION),
}


def value_and_pullback(function: Callable[..., Any]) -> Callable[..., Any]:
    def run(x: Any, ct: Any) -> Any:
        y, pull = jax.vjp(function, x)
        return y, pull(ct)

    return run


def quantise(activation: str, dtype: str, block: int | None) -> Callable[..., Any]:
    return lambda x: jaxact.act_quant(x, activation, dtype, block)


def asked(name: str) -> Callable[..., Any]:
    return functools.partial(getattr(jaxact, name), implementation="prefer_pallas")


# What the rule selects, and what it leaves to XLA asked for.
# name -> program, its operands, and the arrays of their size that move between its first and its last kernel
ROWS = {n: array(2**24 // n, n) for n in (4096, 32768, 49152)}
SELECTED: dict[str, tuple[Callable[..., Any], list[Any], int]] = {
    "sparsemax": (jaxact.sparsemax, [ROWS[4096]], 0),
    "entmax15": (jaxact.entmax15, [ROWS[4096]], 0),
    "entmax, gradient": (value_and_pullback(functools.partial(jaxact.entmax, alpha=1.25)), [ROWS[32768]] * 2, 1),
    **{
        f"act_quant {activation} {dtype} {block}": (quantise(activation, dtype, block), [ROWS[4096]], 0)
        for activation, dtype in (("silu", "int8"), ("swiglu", "float8_e4m3fn"))
        for block in (None, 128)
    },
    **{f"softmax of {n}, gradient": (value_and_pullback(asked("softmax")), [x, x], 1) for n, x in ROWS.items()},
    **{f"{n}, gradient": (value_and_pullback(asked(n)), [ROWS[4096]] * 2, 1) for n in ("sparsemax", "entmax15")},
    "log_softmax of 32768": (asked("log_softmax"), [ROWS[32768]], 0),
}


def selected(function: Callable[..., Any], operands: list[Any], between: int) -> list[int]:
    """The kernels of a program, the bytes that it moves, and those that have to move."""
    text = program(function, operands)
    ends = nbytes(*operands, *jax.tree.leaves(jax.eval_shape(function, *operands)))
    return [text.count('custom_call_target="mosaic_gpu'), bytes_moved(text), ends + between * nbytes(operands[0])]


def held() -> dict[str, list[int]]:
    """The gradients along rows that XLA can make one pass of: the bytes of the reference, and the ideal."""
    found = {}
    for case in CASES:
        operation = case.operation()
        op, direction, _, (y, *_) = operation
        if isinstance(op, RowwiseOperation) and direction == "backward" and op.row_length(y) <= LONGEST_ON_CHIP:
            kernel = kernels.find(*operation)
            assert isinstance(kernel, kernels.Kernel), kernel
            moved = bytes_moved(program(kernels.meaning(*operation), kernel.operands))
            found[case.name] = [moved, nbytes(y) + nbytes(*kernel.operands)]
    return found


def program(function: Callable[..., Any], operands: Any) -> str:
    return compile_for(GPU, function, operands).as_text()


def fusions(text: str) -> int:
    return len(re.findall(r" (?:fusion|custom-call)\(", text[text.index("ENTRY") :]))


def main() -> None:
    found: dict[str, dict[str, list[int]]] = {"bytes": {}, "fusions": {}, "selected": {}}
    for name, (own, peer, operands) in BLOCKS.items():
        for how, derive in (("forward", lambda f: f), ("gradient", gradients)):
            moved = [bytes_moved(program(derive(f), operands)) for f in (own, peer)]
            found["bytes"][f"{name}, {how}"] = moved
    layer = (array(256, 512), array(512, 1024), array(1024))
    counted = functools.cache(lambda act: fusions(program(lambda x, w, b: act(x @ w + b), layer)))
    for case in DEFAULTS:
        peer = getattr(jax.nn, case.name) if case.name in SHARED else jax.nn.gelu
        found["fusions"][case.name] = [counted(case), counted(peer)]
    for name, (function, arguments, between) in SELECTED.items():
        found["selected"][name] = selected(function, arguments, between)
    found["held"] = held()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
