"""``python -m benchmarks gpu_static``: how bytes are counted; with the plugin, its quick form."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from benchmarks import gpu_static_page, machine_code
from benchmarks.gpu_static_cases import CASES
from benchmarks.report import Report
from jaxact._src import rule

ROOT = Path(__file__).parent.parent
PROGRAM = """\
HloModule jit_f, is_scheduled=true

%fused (p: f32[4,8]) -> f32[4] {
  %p = f32[4,8]{1,0} parameter(0)
  ROOT %r = f32[4]{0} reduce(%p, %c), dimensions={1}
}

%body (s: (s32[], bf16[4,8])) -> (s32[], bf16[4,8]) {
  %s = (s32[], bf16[4,8]{1,0}) parameter(0)
  %v = bf16[4,8]{1,0} get-tuple-element(%s), index=1
  %w = bf16[4,8]{1,0} fusion(%v), kind=kLoop, calls=%step
  ROOT %t = (s32[], bf16[4,8]{1,0}) tuple(%n, %w)
}

%condition (s.1: (s32[], bf16[4,8])) -> pred[] {
  %s.1 = (s32[], bf16[4,8]{1,0}) parameter(0)
  ROOT %b = pred[] constant(true)
}

ENTRY %main (x: f32[4,8]) -> f32[4] {
  %x = f32[4,8]{1,0} parameter(0)
  %m = f32[4]{0} fusion(%x), kind=kInput, calls=%fused
  %i = (s32[], bf16[4,8]{1,0}) tuple(%x)
  %l = (s32[], bf16[4,8]{1,0}) while(%i), condition=%condition, body=%bodyKNOWN
  ROOT %y = f32[4]{0} custom-call(%m, %m), custom_call_target="mosaic_gpu_v2"
}
"""


def test_each_kernel_counts_its_operands_and_results():
    once = (4 * 8 * 4 + 4 * 4) + 3 * 4 * 4
    step = 2 * 4 * 8 * 2
    assert machine_code.bytes_moved(PROGRAM.replace("KNOWN", ""), steps=5) == once + 5 * step
    known = PROGRAM.replace("KNOWN", ', backend_config={"known_trip_count":{"n":"3"}}')
    assert machine_code.bytes_moved(known, steps=5) == once + 3 * step


def test_a_program_of_this_machine():
    x = jnp.ones((16, 32))
    hlo = jax.jit(lambda v: v + 1.0).lower(x).compile().as_text()
    assert machine_code.bytes_moved(hlo) == 2 * x.nbytes


def committed() -> list[dict]:
    return json.loads((ROOT / "benchmarks/results/gpu_static.json").read_text())["data"]


def test_the_page_holds_the_figures_of_the_committed_run():
    assert (ROOT / "docs/gpu_static.md").read_text() == gpu_static_page.text(committed())
    assert {row["gpu"] for row in committed()} == {"h200", "b200"}


def test_the_rule_chooses_what_moves_less():
    cases = {case.name: case.operation() for case in CASES}
    chosen = set()
    for found in committed():
        op, direction, _, operands = cases[found["case"]]
        x = operands[0]
        kernel = rule.row(op.family, direction, op.row_length(x), x.dtype.itemsize).kernel
        assert found["chosen"] is kernel, found["case"]
        gains = {name: c["xla"] / c["kernel"] for name, c in found["context"].items()}
        gains["alone"] = found["alone"]["xla"]["bytes"] / found["alone"]["kernel"]["bytes"]
        if kernel:
            chosen.add((op.family, direction))
            assert min(gains.values()) >= gpu_static_page.LEAST, (found["case"], gains)
    lines = {(f, d) for line in rule.RULE if line.kernel for f in line.families for d in line.directions}
    assert chosen == lines


@pytest.mark.parametrize(
    "case",
    [
        *(f"softmax, rows of {n} {d}" for n in (4096, 16384, 32768, 49152) for d in ("value", "backward")),
        *(f"softmax float32, rows of 36864 {d}" for d in ("value", "backward")),
        *(
            f"{name}, rows of 4096 {d}"
            for name in ("sparsemax", "entmax15", "entmax")
            for d in ("value", "backward")
        ),
        *(f"entmax15, rows of 32768 {d}" for d in ("value", "backward")),
        *(f"log_softmax, rows of {n} value" for n in (32768, 49152)),
        *(f"silu to int8, {scales} value" for scales in ("a scale a row", "a scale for 128")),
        *(f"swiglu to float8_e4m3fn, {scales} value" for scales in ("a scale a row", "a scale for 128")),
        "geglu, packed backward",
    ],
)
def test_kernels_move_each_byte_once(case):
    found = [row["alone"]["kernel"] for row in committed() if row["case"] == case]
    assert [round(row["bytes"], 2) for row in found] == [1.0, 1.0]
    assert [row["spilled"] for row in found] == [0, 0]


def test_quick(tmp_path):
    gpu_static = pytest.importorskip("benchmarks.gpu_static")
    if gpu_static.why_not():
        pytest.skip(gpu_static.why_not())
    command = [sys.executable, "-m", "benchmarks", "gpu_static", "--quick", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    report = json.loads((tmp_path / "gpu_static.json").read_text())
    softmax = next(row for row in report["data"] if row["case"].startswith("softmax"))
    assert softmax["alone"]["kernel"]["bytes"] == 1.0
    assert softmax["alone"]["xla"]["bytes"] > 1.5
    assert softmax["alone"]["kernel"]["instructions"] > softmax["alone"]["kernel"]["special"] >= 0
    assert softmax["alone"]["kernel"]["spilled"] == 0


def test_memory_quick(tmp_path):
    """The kernels of a gradient move less than with jax.nn, which keeps what it computed in the forward."""
    gpu_static = pytest.importorskip("benchmarks.gpu_static")
    if gpu_static.why_not():
        pytest.skip(gpu_static.why_not())
    command = [sys.executable, "-m", "benchmarks", "memory_gpu", "--quick"]
    subprocess.run(
        [*command, "--out", str(tmp_path), "--docs", str(tmp_path)], cwd=ROOT, check=True, capture_output=True
    )
    (row,) = Report.load(tmp_path / "memory_gpu.json").where()
    assert row["jaxact"] > 0
    assert 0 < row["jaxact moves"] < row["jax.nn moves"]
