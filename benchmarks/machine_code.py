"""What programs compiled for NVIDIA GPUs hold: the bytes that their HLO moves, and their machine code."""

import dataclasses
import importlib.util
import math
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp

_FREE = ("parameter", "constant", "tuple", "get-tuple-element", "bitcast")  # nothing is launched for these
_INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%(\S+) = (.*?) ([a-z][\w-]*)\((.*)$")
_TYPE = re.compile(r"\b([a-z]\w*)\[([\d,]*)\]")
_ITEMSIZE = {"pred": 1, "s4": 1, "u4": 1, "f8e4m3fn": 1, "f8e5m2": 1, "bf16": 2}


def why_not() -> str | None:
    """Why code cannot be read here, or None."""
    missing = [tool for tool in ("ptxas", "nvdisasm") if not _tool(tool).exists()]
    return f"needs {' and '.join(missing)}: install jaxact[gpu-compile]" if missing else None


def _tool(name: str) -> pathlib.Path:
    """A program of NVIDIA's packages."""
    found = importlib.util.find_spec("nvidia")
    places = list(found.submodule_search_locations or ()) if found else []
    return next(
        (p for place in places for p in pathlib.Path(place).glob(f"cu13/bin/{name}")),
        pathlib.Path("missing") / name,
    )


# -- bytes ------------------------------------------------------------------------------------------------------


def bytes_moved(hlo: str, steps: int = 1) -> int:
    """The bytes that the kernels of an optimized program read and write: each its operands and results once.

    Args:
      hlo: The program as text.
      steps: How often a loop runs whose count is not known to XLA.
    """
    computations = dict(_computations(hlo))
    return _bytes_of(computations, computations["ENTRY"], steps)


def _computations(hlo: str) -> Iterator[tuple[str, list[str]]]:
    for name, body in re.findall(r"^(ENTRY|%\S+) [^\n]* \{\n(.*?)^\}", hlo, re.MULTILINE | re.DOTALL):
        yield name.lstrip("%"), body.splitlines()


def _bytes_of(computations: dict[str, list[str]], lines: list[str], steps: int) -> int:
    sizes: dict[str, int] = {}
    total = 0
    for line in lines:
        match = _INSTRUCTION.match(line)
        if not match:
            continue
        name, kind, operation, rest = match.groups()
        sizes[name] = sum(_size(*found) for found in _TYPE.findall(kind))
        if operation == "while":
            known = re.search(r'"known_trip_count":\{"n":"(\d+)"', rest)
            parts = [computations[re.search(rf"{p}=%([\w.-]+)", rest)[1]] for p in ("body", "condition")]
            each = sum(_bytes_of(computations, part, steps) for part in parts)
            total += each * (int(known[1]) if known else steps)
        elif operation not in _FREE:
            operands = re.findall(r"%([\w.-]+)", rest.partition("), ")[0])
            total += sizes[name] + sum(sizes.get(o, 0) for o in operands)
    return total


def _size(dtype: str, shape: str) -> int:
    width = _ITEMSIZE.get(dtype) or int(re.sub(r"\D", "", dtype) or 0) // 8
    return width * math.prod(int(n) for n in shape.split(",") if n)


def nbytes(*avals: Any) -> int:
    return sum(math.prod(a.shape) * jnp.dtype(a.dtype).itemsize for a in avals)


# -- machine code -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Code:
    """Of all kernels of a program together.

    Attributes:
      kernels: How many.
      instructions: As they stand in the code, loops once.
      special: Those that the special-function units compute: exp2, log2, rcp, rsqrt, sin, cos, tanh.
      registers: Of the kernel that needs most.
      spilled: Bytes stored to the stack because registers were full.
    """

    kernels: int
    instructions: int
    special: int
    registers: int
    spilled: int


def assemble(texts: list[str], architecture: str) -> Code:
    """The code of some modules of PTX."""
    found = [_assemble(text, architecture) for text in texts]
    if not found:
        return Code(0, 0, 0, 0, 0)
    counts = zip(*(dataclasses.astuple(c) for c in found))
    kernels, instructions, special, registers, spilled = (list(v) for v in counts)
    return Code(sum(kernels), sum(instructions), sum(special), max(registers), sum(spilled))


def _assemble(text: str, architecture: str) -> Code:
    with tempfile.TemporaryDirectory() as folder:
        ptx, cubin = (pathlib.Path(folder) / f"kernel.{ending}" for ending in ("ptx", "cubin"))
        ptx.write_text(text)
        report = subprocess.run(
            [_tool("ptxas"), "-v", f"-arch={architecture}", ptx, "-o", cubin],
            capture_output=True,
            text=True,
            check=True,
        ).stderr
        sass = subprocess.run([_tool("nvdisasm"), cubin], capture_output=True, text=True, check=True).stdout
    operations = re.findall(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+ )?\s*([A-Z][\w.]*)", sass, re.MULTILINE)
    real = [o for o in operations if o != "NOP" and not o.startswith("BRA")]
    return Code(
        kernels=len(re.findall(r"Compiling entry function", report)),
        instructions=len(real),
        special=sum(o.startswith("MUFU") for o in real),
        registers=max(int(n) for n in re.findall(r"Used (\d+) registers", report)),
        spilled=sum(int(n) for n in re.findall(r"(\d+) bytes spill stores", report)),
    )
