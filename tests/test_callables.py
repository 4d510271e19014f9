"""Anything of one array to one array is an activation; when serialised it is named by its import path."""

import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxact
from jaxact import linen, nnx

X = jnp.linspace(-2.0, 2.0, 12).reshape(3, 4)


def cubed(x):
    """A function of a user, at the top of a module."""
    return x**3


class Scaled:
    """An activation of a user with state of its own."""

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, x):
        return self.scale * x

    def doubled(self, x):
        return 2 * self.scale * x

    @staticmethod
    def halved(x):
        return 0.5 * x


def made_inside():
    def local(x):
        return x

    return local


CALLABLES = {
    "jax.nn": jax.nn.silu,
    "jnp": jnp.tanh,
    "lax": jax.lax.logistic,
    "a function": cubed,
    "a lambda": lambda x: 2 * x,
    "a partial": functools.partial(jnp.clip, min=-1.0, max=1.0),
    "jitted": jax.jit(cubed),
    "an object": Scaled(3.0),
    "a method": Scaled(3.0).doubled,
    "a static method": Scaled.halved,
    "glu": jaxact.glu,
}


@pytest.mark.parametrize("name", CALLABLES)
def test_modules_take_it(name):
    function = CALLABLES[name]
    expected = function(X)
    assert jaxact.get(function) is function
    np.testing.assert_array_equal(nnx.Activation(function)(X), expected)
    np.testing.assert_array_equal(linen.Activation(function).apply({}, X), expected)
    with pytest.raises(TypeError, match=r"parameters can't be given|has no parameter|unexpected keyword"):
        jaxact.get(function, slope=2.0)(X)


@pytest.mark.parametrize("name", ["jnp", "lax", "jax.nn", "a function", "a static method"])
def test_its_import_path_leads_back_to_it(name):
    function = CALLABLES[name]
    path = json.loads(json.dumps(jaxact.serialize(function)))
    module, _, _ = path.partition(":")
    assert jaxact.deserialize(path, allow=(module,)) is function
    with pytest.raises(ValueError, match=rf"pass allow=\('{module}',\) if you trust it"):
        jaxact.deserialize(path)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (CALLABLES["a lambda"], "it is a lambda"),
        (CALLABLES["a partial"], "a partial has no name"),
        (CALLABLES["an object"], "a Scaled has no name"),
        (CALLABLES["a method"], r"Scaled\.doubled is something else"),
        (CALLABLES["jitted"], "cubed is something else"),
        (made_inside(), "defined inside a function"),
    ],
    ids=["lambda", "partial", "object", "method", "jitted", "local"],
)
def test_what_no_import_finds_is_refused_with_the_reason(function, why):
    with pytest.raises(ValueError, match=f"can't be serialized: .*{why}"):
        jaxact.serialize(function)


def test_functions_without_a_record_have_names():
    """Those that change the shape, draw noise or take several arrays."""
    for name in ("glu", "swiglu", "crelu", "maxout", "rrelu", "gumbel_softmax"):
        assert name in jaxact.names()
        assert jaxact.get(name) is getattr(jaxact, name)
        assert jaxact.serialize(name) == name
        assert jaxact.deserialize(name) is getattr(jaxact, name)
    found = jaxact.get("maxout", num_pieces=2)
    assert jaxact.deserialize(json.loads(json.dumps(jaxact.serialize(found)))) == found
    np.testing.assert_array_equal(nnx.Activation("maxout", num_pieces=2)(X), jaxact.maxout(X, 2))
    assert hash(jaxact.get("glu", axis=-2)) == hash(jaxact.get("glu", axis=-2))
    with pytest.raises(TypeError, match=r"maxout: .*'pieces'; its parameters are \['num_pieces', 'axis'\]"):
        jaxact.get("maxout", pieces=2)
