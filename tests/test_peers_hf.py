"""The real transformers: every key of ACT2FN, with PyTorch on CPU."""

import functools
import inspect
import warnings

import numpy as np
import peers
import pytest

import jaxact
from jaxact._src import dialects

torch = peers.require("torch")
activations = peers.require("transformers.activations")
ACT2FN = activations.ACT2FN
KINKS = peers.stated_kinks("hf")
# Every class of its own that takes nothing it could not be made without.
CLASSES = {
    n
    for n, c in vars(activations).items()
    if isinstance(c, type) and issubclass(c, torch.nn.Module) and c.__module__ == activations.__name__
}


@functools.cache
def make(name):
    """The module, in float64; making XIELU without its CUDA kernels warns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = activations.ACT2CLS[name]
        cls, given = found if isinstance(found, tuple) else (found, {})
        rounded = "dtype" in inspect.signature(cls).parameters  # what it starts from is rounded to bfloat16
        return cls(**given, **({"dtype": torch.float64} if rounded else {})).double()


def theirs(name):
    return lambda x, ones: peers.in_torch_float64(make(name), x, ones)


def test_the_tables_have_exactly_the_names_of_transformers():
    assert set(dialects.HUGGING_FACE.names) == set(ACT2FN)
    aliases = {n for n in dialects.HUGGING_FACE.layers if getattr(activations, n, None) is activations.GELUTanh}
    assert {*dialects.HUGGING_FACE.layers} - {*dialects.TORCH.layers} == CLASSES | aliases


@pytest.mark.parametrize("name", ACT2FN)
def test_values_and_gradients(name):
    assert peers.check(jaxact.get(name, dialect="hf"), theirs(name)) == KINKS.get(name, {})


def test_the_page_on_migration_names_calls_of_this_file():
    assert set(KINKS) <= set(ACT2FN)


def test_the_clipped_one_takes_its_limits():
    theirs = activations.ClippedGELUActivation(min=-0.125, max=2.0)
    mine = jaxact.get("gelu_10", dialect="hf", min=-0.125, max=2.0)
    x = np.linspace(-5, 5, 41, dtype=np.float32)
    np.testing.assert_allclose(mine(x), theirs(torch.tensor(x)).numpy(), rtol=1e-5, atol=1e-6)
