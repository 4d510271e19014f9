"""Compile for NVIDIA GPUs on a machine that has none.

The whole of XLA and of Mosaic GPU runs, down to ptxas; needs JAX's CUDA plugin, but no CUDA (extra `gpu-compile`).
One process serves one GPU, since Mosaic remembers its architecture:

    python -m kernels.deviceless h200       compiles every case of `kernels.compiled`, and prints ptxas's reports
"""

import contextlib
import dataclasses
import functools
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
from jax.experimental import topologies

TARGETS = Path(__file__).resolve().parents[1] / "gpu_targets"
GPUS = {"h200": "sm_90a", "b200": "sm_100a"}
CORES = {"h200": 132, "b200": 148}
PLUGIN = "jax_cuda13_plugin"
BEGIN, END, FAILED = "=== begin ", "=== end ", "=== failed "
SAME, COPY, BOOL = "=== same kernel as ", "=== copy ", "=== bool operand "


# Else LLVM names the frames of traces that nobody reads; for a B200 that takes four times as long as all the rest.
QUICKER = {"LLVM_DISABLE_SYMBOLIZATION": "1"}


def why_not() -> str | None:
    """Why nothing can be compiled here, or None."""
    if importlib.util.find_spec(PLUGIN) is None:
        return f"needs {PLUGIN}: install jaxact[gpu-compile]"
    return None


def compile_for(
    gpu: str, function: Callable[..., Any], args: Sequence[jax.ShapeDtypeStruct], donated: tuple[int, ...] = ()
) -> Any:
    """The program of `function` for one `gpu`, compiled; it may write over the arguments in `donated`."""
    target = (TARGETS / f"{gpu}.txtpb").read_text()
    topology = topologies.get_topology_desc(platform="cuda", target_config=target, topology="1x1x1")
    mesh = jax.sharding.Mesh(topology.devices, ("x",))
    replicated = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    placed = [jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=replicated) for a in args]
    # Where there is no GPU, Mosaic takes the architecture from the abstract device.
    device = jax.sharding.AbstractDevice(device_kind=f"NVIDIA {gpu.upper()}", platform="gpu", num_cores=CORES[gpu])
    with jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), (), abstract_device=device)):
        return jax.jit(function, donate_argnums=donated).lower(*placed).compile()


@dataclasses.dataclass(frozen=True)
class Report:
    """What was found in the output of one case."""

    text: str

    @property
    def error(self) -> str | None:
        return self.text.partition(FAILED)[2] or None

    @functools.cached_property
    def architectures(self) -> set[str]:
        return set(re.findall(r"Compiling entry function .* for '(\w+)'", self.text))

    @functools.cached_property
    def registers(self) -> list[int]:
        """Of each kernel."""
        return [int(n) for n in re.findall(r"Used (\d+) registers", self.text)]

    @functools.cached_property
    def spilled(self) -> int:
        """Bytes of stack, and of registers stored to it and loaded again."""
        found = re.findall(
            r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", self.text
        )
        return sum(int(n) for numbers in found for n in numbers)

    @functools.cached_property
    def widest_accesses(self) -> tuple[int, int]:
        """Bytes of the widest load from and store to global memory."""
        widths: dict[str, int] = {"ld": 0, "st": 0}
        for kind, vector, bits in re.findall(r"\b(ld|st)(?:\.global)?(?:\.v(\d))?\.b(\d+)", self.text):
            widths[kind] = max(widths[kind], int(vector or 1) * int(bits) // 8)
        return widths["ld"], widths["st"]

    @functools.cached_property
    def bool_operands(self) -> list[str]:
        """Kernels that are handed packed bits for a bool array."""
        return re.findall(rf"^{BOOL}.*$", self.text, re.MULTILINE)

    @functools.cached_property
    def copies(self) -> list[str]:
        """What XLA copies before or after a kernel."""
        return re.findall(rf"^{COPY}.*$", self.text, re.MULTILINE)


@functools.cache
def reports() -> dict[str, dict[str, Report]]:
    """Of every GPU and case; the GPUs' processes run side by side."""
    here = Path(__file__).resolve().parents[1]
    environment = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR")}
    environment |= {"JAX_PLATFORMS": "cpu", "MOSAIC_GPU_DUMP_PTX": "1", "MOSAIC_GPU_DUMP_PTXAS": "1", **QUICKER}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(here.parent), str(here), *sys.path]))
    running = {
        gpu: subprocess.Popen(
            [sys.executable, "-m", "kernels.deviceless", gpu],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for gpu in GPUS
    }
    found = {}
    with contextlib.ExitStack() as stack:
        for process in running.values():
            stack.enter_context(process)
        for gpu, process in running.items():
            output, errors = process.communicate()
            assert process.returncode == 0, errors[-4000:]
            found[gpu] = _read(output)
    return found


def _read(output: str) -> dict[str, Report]:
    found: dict[str, str] = {}
    for name, text in re.findall(rf"^{BEGIN}(.*?)$(.*?)^{END}", output, re.MULTILINE | re.DOTALL):
        found[name] = text + "".join(found[other] for other in re.findall(rf"^{SAME}(.*)$", text, re.MULTILINE))
    return {name: Report(text) for name, text in found.items()}


def main(gpu: str) -> None:
    from kernels.compiled import CASES

    first: dict[str, str] = {}  # the case in which a kernel was compiled: the plugin keeps kernels
    for case in CASES:
        print(f"\n{BEGIN}{case.name}", flush=True)
        try:
            program = compile_for(gpu, case.function, case.args, case.donated).as_text()
        except Exception as error:  # one kernel that does not compile must not hide the others
            print(f"\n{FAILED}{type(error).__name__}: {error}", flush=True)
        else:
            for line in program.splitlines():
                if 'custom_call_target="mosaic_gpu' in line:
                    _describe(line, case.name, first)
                elif " copy(" in line:
                    print(f"{COPY}{line.strip()}")
        print(f"\n{END}", flush=True)


def _describe(custom_call: str, case: str, first: dict[str, str]) -> None:
    operands = custom_call.partition("operand_layout_constraints={")[2].partition("}, ")[0]
    if "pred[" in operands:
        print(f"{BOOL}{operands}")
    (kernel,) = re.findall(r'kernel_hash = "((?:[^"\\]|\\.)*)"', custom_call)
    if first.setdefault(kernel, case) != case:
        print(f"{SAME}{first[kernel]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
