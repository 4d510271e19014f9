"""Sparse attention and migration, the examples, in a short form."""

import importlib.util
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from matplotlib import image

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def example(request):
    """The module of an example; the frameworks in it do not promise strict promotion."""
    spec = importlib.util.spec_from_file_location(request.param, EXAMPLES / f"{request.param}.py")
    sys.modules[request.param] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with jax.numpy_dtype_promotion("standard"):
        yield module
    del sys.modules[request.param]


@pytest.mark.parametrize("example", ["sparse_attention"], indirect=True)
def test_sparse_attention(example, tmp_path):
    dense, sparse = (example.train(name, steps=120, seed=0) for name in ("softmax", "entmax15"))
    assert min(dense.accuracy, sparse.accuracy) > 0.5, "guessing gives 0.1"
    assert dense.pixels == 64
    assert 1 <= sparse.pixels < 32
    np.testing.assert_allclose(sparse.weights.sum(-1), 1.0, rtol=1e-5)
    example.draw_maps([dense, sparse], tmp_path / "maps.png")
    assert image.imread(tmp_path / "maps.png")[..., :3].std() > 0.05, "something is drawn"


@pytest.mark.parametrize("example", ["sparse_attention"], indirect=True)
@pytest.mark.parametrize("wrong", [["--steps", "0"], ["--out", "nowhere/a.png"], ["--out", "a.nonsense"]])
def test_bad_input_is_told_in_one_line(example, wrong, capsys):
    assert example.main(wrong) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("example", ["migrate"], indirect=True)
@pytest.mark.parametrize("package", ["keras", "torch"])
def test_migrate(example, package):
    pytest.importorskip(package)
    compared = list(getattr(example, f"from_{package}")())
    assert "PReLU" in {layer for layer, _, _ in compared}
    assert len(compared) == 4
    for layer, theirs, ours in compared:
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6, err_msg=layer)


@pytest.mark.parametrize("example", ["migrate"], indirect=True)
def test_migrate_says_what_is_missing(example, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert example.main() == 2
    out, err = capsys.readouterr()
    assert "keras is not installed" in out
    assert "torch is not installed" in out
    assert err.count("\n") == 1
