"""Other libraries that are timed in the same run where they are installed: an import that fails is a shown reason.

PyTorch's tensors share the memory of JAX's arrays. What a library does not have is left out of a case; whether its
result is right is checked as for every other program.
"""

import dataclasses
import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import jax
import jax.numpy as jnp

from benchmarks.gpu import plain
from benchmarks.gpu.case import Case
from benchmarks.gpu.clock import Program

TELLING: Final = 2  # the worth up to which PyTorch compiles
Function = Callable[..., Any]
Find = Callable[[Case], Function | None]


@dataclasses.dataclass(frozen=True)
class Opponent:
    """A library.

    Attributes:
      name: Its column in reports.
      module: What has to be importable.
      find: Its function of a case's operands, or None.
      of_torch: It takes PyTorch's tensors.
      needs_gpu: It has nothing to show in a self-test.
      halves: It takes the two halves of a gated activation as two arrays, as its own models have them.
    """

    name: str
    module: str
    find: Find
    of_torch: bool = True
    needs_gpu: bool = True
    halves: bool = False

    def operands(self, case: Case, arrays: Sequence[Any]) -> Sequence[Any]:
        """The operands of a case as it takes them."""
        return jnp.split(arrays[0], 2, axis=-1) if self.halves and case.part == "gated" else arrays

    def result(self, case: Case, found: Any) -> Any:
        """What it computed as a case has it."""
        found = as_jax(found)
        if self.halves and case.part == "gated" and isinstance(found, tuple):
            return jnp.concatenate(found, axis=-1)
        return found

    def why_not(self) -> str | None:
        """Why it takes no part, or None."""
        try:
            importlib.import_module(self.module)
            torch = importlib.import_module("torch") if self.of_torch else None
        except Exception as error:  # whatever it is, the reader is told
            return f"cannot be imported: {type(error).__name__}: {error}"
        on_gpu = jax.default_backend() == "gpu"
        if self.needs_gpu and not on_gpu:
            return "needs a GPU"
        if on_gpu and torch is not None and not torch.cuda.is_available():
            return "this PyTorch sees no GPU"
        return None


def torch_program(function: Function, case: Case, sets: Sequence[Sequence[jax.Array]], cotangent: Any) -> Program:
    """A PyTorch function, or its pullback, on tensors that lie where JAX's arrays do."""
    torch = importlib.import_module("torch")
    wait = torch.cuda.synchronize if jax.default_backend() == "gpu" else (lambda: None)
    tensors = [[_tensor(v) for v in operands] for operands in sets]
    if case.direction == "forward":

        def forward(i: int) -> Any:
            with torch.no_grad():
                return function(*tensors[i % len(tensors)])

        return Program(forward, lambda _: wait())
    leaves = [[v.detach().requires_grad_(v.is_floating_point()) for v in operands] for operands in tensors]
    results = [function(*operands) for operands in leaves]
    ct = _tensor(cotangent)

    def backward(i: int) -> Any:
        place = i % len(leaves)
        asked = [v for v in leaves[place] if v.requires_grad]
        return torch.autograd.grad(results[place], asked, ct, retain_graph=True)

    return Program(backward, lambda _: wait())


def as_jax(result: Any) -> Any:
    """PyTorch's results as JAX's arrays."""
    if isinstance(result, tuple):
        return tuple(map(as_jax, result))
    return jnp.from_dlpack(result.detach().contiguous()) if hasattr(result, "detach") else result


def _tensor(array: jax.Array) -> Any:
    torch = importlib.import_module("torch")
    if array.dtype == bool:  # some versions cannot hand it over
        return torch.from_dlpack(array.astype(jnp.int8)).bool()
    return torch.from_dlpack(array)


# -- what each has -----------------------------------------------------------------------------------------------


def _torch(case: Case) -> Function | None:
    torch = importlib.import_module("torch")
    functional = torch.nn.functional
    rows = {"softmax": functional.softmax, "log_softmax": functional.log_softmax}
    if case.name in rows:
        return functools.partial(rows[case.name], dim=-1)
    gates = {"swiglu": functional.silu, "geglu": _tanh_gelu, "reglu": functional.relu}
    if case.name in gates:
        return functools.partial(_gated, gates[case.name])
    if case.part == "elementwise":
        return _torch_elementwise(case.name)
    if case.name == "prelu by channel":
        return lambda x, slope: functional.prelu(x, slope.to(x.dtype))
    return None


def _torch_elementwise(name: str) -> Function | None:
    functional: Any = importlib.import_module("torch").nn.functional
    if name.startswith("gelu"):
        return functional.gelu if "approximate=False" in name else _tanh_gelu
    named = {"log_sigmoid": "logsigmoid", "hard_silu": "hardswish", "soft_sign": "softsign"}
    same = ("silu", "relu", "relu6", "sigmoid", "tanh", "mish", "softplus", "elu", "selu", "celu")
    return getattr(functional, named.get(name, name)) if name in (*named, *same) else None


def _tanh_gelu(x: Any) -> Any:
    return importlib.import_module("torch").nn.functional.gelu(x, approximate="tanh")


def _gated(gate: Function, x: Any) -> Any:
    first, second = x.chunk(2, dim=-1)
    return gate(first) * second


def _torch_compiled(case: Case) -> Function | None:
    torch = importlib.import_module("torch")
    found = _torch(case) if case.worth <= TELLING else None  # each takes seconds to compile
    return None if found is None else torch.compile(found, dynamic=False)


def _liger(case: Case) -> Function | None:
    rows = {"softmax": ("softmax", "LigerSoftmaxFunction"), "sparsemax": ("sparsemax", "LigerSparsemaxFunction")}
    gates = {"swiglu": ("swiglu", "LigerSiLUMulFunction"), "geglu": ("geglu", "LigerGELUMulFunction")}
    module, name = (rows | gates).get(case.name, ("", ""))
    if not name:
        return None
    apply = getattr(importlib.import_module(f"liger_kernel.ops.{module}"), name).apply
    if case.name == "sparsemax":
        return lambda x: apply(x, -1)
    return apply


def _quack(case: Case) -> Function | None:
    # its swiglu is the end of a matrix product, none of its own
    return importlib.import_module("quack.softmax").softmax if case.name == "softmax" else None


def _tokamax(case: Case) -> Function | None:
    if case.name != "gated linear unit swiglu":
        return None
    unit = importlib.import_module("tokamax").gated_linear_unit
    flags = importlib.import_module("absl.flags").FLAGS
    if not flags.is_parsed():  # it reads its options from there
        flags(["benchmarks"])

    def run(x: jax.Array, packed: jax.Array) -> jax.Array:
        return unit(x, packed.reshape(packed.shape[0], 2, -1), activation=plain.GATES["swiglu"])

    return run


OPPONENTS = (
    Opponent("torch", "torch", _torch, needs_gpu=False),
    Opponent("torch.compile", "torch", _torch_compiled),
    Opponent("liger", "liger_kernel.ops", _liger, halves=True),
    Opponent("quack", "quack.softmax", _quack),
    Opponent("tokamax", "tokamax", _tokamax, of_torch=False),
)


def present() -> tuple[list[Opponent], dict[str, str]]:
    """Those that take part, and why the others do not."""
    reasons = {o.name: o.why_not() for o in OPPONENTS}
    return [o for o in OPPONENTS if not reasons[o.name]], {n: r for n, r in reasons.items() if r}
