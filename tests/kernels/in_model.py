"""Compile blocks of models for an H200, with jaxact's default selection and with jax.nn, and count.

python -m kernels.in_model      prints, as JSON, the bytes that each moves, the fusions of single layers, and of
                                what the rule selects the kernels, the bytes and those that have to move
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
from benchmarks.machine_code import bytes_moved, nbytes
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


# name -> program, its operand, and the arrays of that size that move between the first and the last kernel
ROWS = {n: array(2**24 // n, n) for n in (4096, 32768, 49152)}
SELECTED: dict[str, tuple[Callable[..., Any], list[Any], int]] = {
    **{f"softmax of {n}": (value_and_pullback(jaxact.softmax), [x, x], 1) for n, x in ROWS.items()},
    **{
        name: (value_and_pullback(function), [ROWS[4096]] * 2, 1)
        for name, function in (
            ("sparsemax", jaxact.sparsemax),
            ("entmax15", jaxact.entmax15),
            ("entmax", functools.partial(jaxact.entmax, alpha=1.25)),
        )
    },
    "log_softmax of 32768": (jaxact.log_softmax, [ROWS[32768]], 0),
    **{
        f"act_quant {activation} {dtype} {block}": (quantise(activation, dtype, block), [ROWS[4096]], 0)
        for activation, dtype in (("silu", "int8"), ("swiglu", "float8_e4m3fn"))
        for block in (None, 128)
    },
}


def selected(function: Callable[..., Any], operands: list[Any], between: int) -> list[int]:
    """The kernels of a program, the bytes that it moves, and those that have to move."""
    text = program(function, operands)
    ends = nbytes(*operands, *jax.tree.leaves(jax.eval_shape(function, *operands)))
    return [text.count('custom_call_target="mosaic_gpu'), bytes_moved(text), ends + between * nbytes(operands[0])]


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
    print(json.dumps(found))


if __name__ == "__main__":
    main()
