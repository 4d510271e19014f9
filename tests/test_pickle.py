"""pickle, copy, deepcopy, hashing and equality of the functions and of what `jaxact.get` returns."""

import copy
import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, DEFAULTS
from support import SOME, close, exact, points

import jaxact
from jaxact._src import catalogue
from jaxact.registry import Bound

COPIES = {
    "pickle": lambda v: pickle.loads(pickle.dumps(v)),
    "oldest pickle": lambda v: pickle.loads(pickle.dumps(v, protocol=0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("again", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("name", list(catalogue.activations()))
def test_functions_are_themselves_again(name, again):
    activation = catalogue.activations()[name]
    assert again(activation) is activation
    nested = again({"act": [activation, functools.partial(activation, inplace=False)]})["act"]
    assert nested[0] is activation
    assert nested[1].func is activation


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bound_activations(case):
    bound = jaxact.get(case.name, **case.params)
    assert isinstance(bound, Bound) == bool(case.params)
    for again in COPIES.values():
        other = again(bound)
        assert other == bound
        assert hash(other) == hash(bound)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_a_copy_computes_the_same(case):
    x = points(case)
    for again in COPIES.values():
        close(again(jaxact.get(case.activation, **case.params))(x), exact(case, x))


@pytest.mark.parametrize("case", [c for c in CASES if np.isfinite([*c.params.values(), np.nan][0])], ids=str)
def test_bound_activations_differ_by_their_parameters(case):
    bound = jaxact.get(case.name, **case.params)
    assert bound == jaxact.get(case.name, **dict(reversed(case.params.items())))
    changed = {n: not v if isinstance(v, bool) else v + 0.25 for n, v in case.params.items()}
    others = {jaxact.get(case.name, **changed), bound, jaxact.get(case.name, **case.params)}
    assert len(others) == 2


def test_equal_ones_are_one_static_argument():
    traces = []

    @functools.partial(jax.jit, static_argnums=0)
    def apply(activation, x):
        traces.append(activation)
        return activation(x)

    x = jnp.ones(3)
    for make in (lambda: jaxact.get("leaky_relu", negative_slope=0.2), lambda: jaxact.reference.relu):
        traces.clear()
        for _ in range(3):
            apply(make(), x)
        assert len(traces) == 1


@pytest.mark.parametrize("again", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_reference_functions(case, again):
    reference = getattr(jaxact.reference, case.name)
    x = points(case)
    close(again(reference)(x, **case.params), exact(case, x))


def test_bound_arrays_survive():
    bound = jaxact.get("leaky_relu", negative_slope=jnp.asarray([0.25, 0.5]))
    for again in COPIES.values():
        np.testing.assert_array_equal(dict(again(bound).parameters)["negative_slope"], [0.25, 0.5])
