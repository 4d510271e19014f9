"""The example runs, in a short form: the table and the picture come, and bad input is told in one line."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import pytest
from matplotlib import image

import jaxact

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "examples" / "digits.py"


def run(*arguments, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, DIGITS, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def digits():
    spec = importlib.util.spec_from_file_location("digits", DIGITS)
    sys.modules["digits"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["digits"]


def test_digits_in_short(tmp_path):
    done = run("--activations", "relu", "prelu", "--epochs", "2", "--out", "short.png", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = [line.split("│")[1:-1] for line in done.stdout.splitlines() if line.startswith("│")]
    table = {cells[0].strip(): [c.strip() for c in cells[1:]] for cells in rows}
    assert list(table) == ["relu", "prelu"]
    assert all(0.7 < float(cells[0]) <= 1 for cells in table.values())
    assert table["relu"][2] == f"{64 * 128 * 4:,} bytes", "one array is saved"
    assert table["prelu"][2] == f"{64 * 128 * 4 + 128 * 4:,} bytes", "one array and the slopes"
    picture = image.imread(tmp_path / "short.png")
    assert picture.shape[0] > 800
    assert picture.shape[1] > 1200
    assert picture[..., :3].std() > 0.05, "something is drawn"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--activations", "gleu"], "unknown activation 'gleu'; did you mean "),
        (["--activations", "prely"], "unknown activation 'prely'; did you mean prelu"),
        (["--activations", "threshold"], "threshold needs its parameter"),
        (["--activations", "relu", "--epochs", "0"], "--epochs must be at least 1"),
        (["--activations", "relu", "--out", "nowhere/digits.png"], "there is no folder 'nowhere'"),
        (["--activations", "relu", "--out", "digits.nonsense"], "must end in .png, .svg or .pdf"),
    ],
)
def test_bad_input_is_told_in_one_line(arguments, message, digits, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert digits.main(arguments) == 2
    out, error = capsys.readouterr()
    assert not out
    assert error.count("\n") == 1
    assert message in error


def test_the_exit_code_of_bad_input_is_2(tmp_path):
    done = run("--activations", "gleu", folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert not list(tmp_path.iterdir())


def test_every_default_is_an_activation(digits):
    assert "prelu" in digits.DEFAULTS
    assert all(jaxact.get(name) for name in digits.DEFAULTS if name != "prelu")


def test_saved_bytes_counts_each_buffer_once(digits):
    x = jnp.linspace(-1.0, 1.0, 256)
    assert digits.saved_bytes(jaxact.relu, x) == x.nbytes
    assert digits.saved_bytes(lambda x: jaxact.relu(x) + jaxact.hard_silu(x) * jaxact.hard_silu(x), x) > x.nbytes
