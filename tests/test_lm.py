"""The language model of the examples, in small: it learns, resumes exactly, and may be spread over devices."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from matplotlib import image

ROOT = Path(__file__).parents[1]
LM = ROOT / "examples" / "lm.py"
STEPS = 10
TWO = ["--coordinator", "localhost:1", "--num-processes", "2"]
SMALL = ["--layers", "2", "--width", "32", "--heads", "2", "--context", "32", "--batch", "8"]


@pytest.fixture(scope="module")
def lm():
    spec = importlib.util.spec_from_file_location("lm", LM)
    sys.modules["lm"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with jax.numpy_dtype_promotion("standard"):  # optax raises floats to integers
        yield module
    del sys.modules["lm"]


def arguments(folder: Path, *more: str, steps: int = STEPS) -> list[str]:
    return [
        *SMALL,
        "--steps",
        str(steps),
        "--out",
        str(folder / "lm.png"),
        "--checkpoint",
        str(folder),
        "--sample",
        "0",
        *more,
    ]


def losses_in(folder: Path, step: int = STEPS) -> np.ndarray:
    wanted = ocp.args.Composite(losses=ocp.args.JsonRestore())
    with ocp.CheckpointManager(folder) as manager:
        return np.array(manager.restore(step, args=wanted)["losses"])


@pytest.fixture(scope="module")
def alone(lm, tmp_path_factory):
    """A folder in which one device has trained without an interruption."""
    folder = tmp_path_factory.mktemp("alone")
    assert lm.main(arguments(folder, "--mesh", "data=1", "--sample", "20")) == 0
    return folder


def test_it_learns(alone):
    losses = losses_in(alone)
    assert losses[-3:].mean() < np.log(96) - 0.3 < losses[:3].mean(), "better than guessing"
    assert image.imread(alone / "lm.png")[..., :3].std() > 0.05, "something is drawn"


def test_a_resumed_run_is_an_uninterrupted_one(lm, alone, tmp_path, capsys):
    for steps in (STEPS // 2, STEPS):
        assert lm.main(arguments(tmp_path, "--mesh", "data=1", steps=steps)) == 0
    assert f"Resumed after step {STEPS // 2}" in capsys.readouterr().out
    assert losses_in(tmp_path).tolist() == losses_in(alone).tolist()


def test_spread_over_devices(lm, alone, tmp_path):
    assert lm.main(arguments(tmp_path, "--mesh", "data=4,model=2")) == 0
    np.testing.assert_allclose(losses_in(tmp_path), losses_in(alone), rtol=1e-5)


def test_the_mesh_splits_the_matrices(lm):
    options = lm.parsed([*SMALL, "--mesh", "data=4,model=2"])
    size = lm.Size(2, 32, 2, 32, "swiglu_oai", "all")
    state = lm.Trainer(size, lm.mesh_of(options.mesh, options), 0, 1e-3).state
    blocks = state["parameters"]["blocks"]
    shard = {n: blocks["mlp"][n]["kernel"][...].sharding.shard_shape((2, 32, 96)) for n in ("gate", "up")}
    assert shard == {"gate": (2, 32, 48), "up": (2, 32, 48)}
    out = blocks["attention"]["out"]["kernel"][...]
    assert out.sharding.shard_shape(out.shape) == (2, 16, 32)


def test_spread_over_processes(alone, tmp_path):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "XLA_FLAGS": ""}  # one device in each
    common = arguments(tmp_path, "--coordinator", f"localhost:{port}", "--num-processes", "2")
    started = [
        subprocess.Popen(
            [sys.executable, LM, *common, "--process-id", str(i)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for i in range(2)
    ]
    try:
        said = [process.communicate(timeout=240)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], said
    assert "wrote" in said[0]
    assert "wrote" not in said[1], "one process speaks for all"
    np.testing.assert_allclose(losses_in(tmp_path), losses_in(alone), rtol=1e-5)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--steps", "0"], "--steps must be at least 1, got 0"),
        (["--width", "33"], "--width 33 must be divisible by --heads 2"),
        (["--out", "nowhere/lm.png"], "there is no folder 'nowhere'"),
        (["--activation", "swigluu"], "unknown activation 'swigluu'"),
        (["--mesh", "rows=2"], "--mesh is sizes such as data=4,model=2, got 'rows=2'"),
        (["--mesh", "data=3,model=4"], "needs 12 devices, there are 8"),
        (["--mesh", "data=1,model=4"], "--heads 2 must be divisible by model=4"),
        (["--process-id", "0"], "belong together"),
        (["--out", "lm.nonsense"], "--out must end in .png, .svg or .pdf, got 'lm.nonsense'"),
        (["--out", "/"], "got '/'"),
        (["--out", "/proc/lm.png"], "/proc"),
        (["--checkpoint", "/proc/lm"], "/proc/lm"),
        (["--checkpoint", __file__], "test_lm.py"),
        ([*TWO, "--process-id", "2"], "--process-id must be below --num-processes 2, got 2"),
        ([*TWO, "--process-id", "1", "--coordinator", "localhost"], "is host:port, got 'localhost'"),
        ([*TWO, "--process-id", "1", "--patience", "1"], "no answer from localhost:1 in 1 s: "),
        ([*TWO, "--process-id", "0", "--coordinator", "localhost:99999"], "is host:port, got 'localhost:99999'"),
    ],
)
def test_bad_input_is_told_in_one_line(more, message, lm, capsys):
    assert lm.main([*SMALL, *more]) == 2
    told_in_one_line(capsys, message)


def test_a_port_in_use_is_told_in_one_line(lm, capsys):
    with socket.create_server(("", 0)) as busy:
        port = busy.getsockname()[1]
        assert lm.main([*SMALL, *TWO, "--process-id", "0", "--coordinator", f"localhost:{port}"]) == 2
    told_in_one_line(capsys, f"port {port} can't be used: ")


@pytest.mark.parametrize(("option", "value"), [("width", 64), ("activation", "geglu")])
def test_a_checkpoint_of_another_model_is_refused(option, value, lm, alone, capsys):
    assert lm.main(arguments(alone, f"--{option}", str(value))) == 2
    told_in_one_line(capsys, f"{alone} holds a model of layers=2")


def test_a_folder_of_something_else_is_refused(lm, tmp_path, capsys):
    (tmp_path / "7").mkdir()
    assert lm.main(arguments(tmp_path)) == 2
    told_in_one_line(capsys, "holds something else")


def told_in_one_line(capsys, message):
    out, error = capsys.readouterr()
    assert not out
    assert error.count("\n") == 1
    assert message in error
