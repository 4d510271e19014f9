"""The real Keras 3 with its JAX backend: every activation, every string."""

import inspect
import os

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
import peers
import pytest
from peers import ROWS, Setting

import jaxact
from jaxact._src import dialects

keras = peers.require("keras")
strings = peers.require("keras.src.activations").ALL_OBJECTS_DICT  # what `keras.activations.get` looks in

# What takes x is an activation; `get`, `serialize` and `deserialize` take something else.
FUNCTIONS = {
    n: f
    for n, f in inspect.getmembers(keras.activations, inspect.isfunction)
    if next(iter(inspect.signature(f).parameters)) == "x"
}

PARAMETERS = {
    "relu": [
        {},
        {"negative_slope": 0.25},
        {"max_value": 6},
        {"negative_slope": 0.1, "max_value": 5.0, "threshold": 0.75},
    ],
    "leaky_relu": [{}, {"negative_slope": 0.05}],
    "elu": [{}, {"alpha": 0.3}],
    "celu": [{}, {"alpha": 2.5}],
    "gelu": [{}, {"approximate": True}],
    "glu": [{}, {"axis": 0}],
    "softmax": [{}, {"axis": 0}, {"axis": (0, 1)}],
    "log_softmax": [{}, {"axis": 0}],
    "sparsemax": [{}, {"axis": 0}],
    "hard_shrink": [{}, {"threshold": 1.5}],
    "soft_shrink": [{}, {"threshold": 1.5}],
    "squareplus": [{}, {"b": 0.5}],
    "threshold": [{"threshold": 0.75, "default_value": 20.0}],
}
SETTINGS = peers.settings(FUNCTIONS, PARAMETERS)
KINKS = peers.stated_kinks("keras")


def theirs(setting: Setting):
    function = FUNCTIONS[setting.name]
    return lambda x, ones: peers.in_jax_float64(lambda v: function(v, **setting.params), x, ones)


def test_the_table_has_exactly_the_names_of_keras():
    assert set(dialects.KERAS.names) == set(FUNCTIONS) == set(strings)


def test_every_string_is_one_of_these_functions():
    assert {n: keras.activations.get(n) for n in strings} == {n: FUNCTIONS[n] for n in strings}


def test_every_parameter_of_keras_is_compared():
    assert peers.uncovered("keras", FUNCTIONS, SETTINGS) == {}


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.name != "sparsemax"], ids=str)
def test_values_and_gradients(setting):
    found = peers.check(jaxact.get(setting.name, dialect="keras", **setting.params), theirs(setting))
    assert found == KINKS.get(str(setting), {})


@pytest.mark.parametrize("setting", [s for s in SETTINGS if s.name == "sparsemax"], ids=str)
def test_sparsemax_of_keras_is_right_only_where_one_entry_is_left(setting):
    """Keras 3.15 adds up the sums of all prefixes of the support where it should take the last."""
    axis = setting.params.get("axis", -1)
    mine, _ = peers.ours(jaxact.get("sparsemax", dialect="keras", axis=axis), ROWS[:16], False)
    other, _ = theirs(setting)(ROWS[:16], False)
    np.testing.assert_allclose(mine.sum(axis), 1.0, rtol=1e-6)
    single = (mine > 0).sum(axis) == 1
    assert single.any()
    np.testing.assert_allclose(other.sum(axis)[single], 1.0, rtol=1e-6)
    assert not np.isclose(other.sum(axis)[~single], 1.0).any()


def test_the_page_on_migration_names_calls_of_this_file():
    assert set(KINKS) <= {str(s) for s in SETTINGS}
