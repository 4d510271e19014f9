"""`explain` lists what runs, where and why."""

import jax
import jax.numpy as jnp
import pytest

import jaxact

OLD = tuple(map(int, jax.__version__.split(".")[:3])) < (0, 11, 2)
OLD_JAX = f"kernels need JAX 0.11.2 or later, this is {jax.__version__}"
NO_GPU = OLD_JAX if OLD else "the compute capability of the GPU is not known"
XLA_FUSES = OLD_JAX if OLD else "XLA fuses it with its neighbours, which a kernel would cut apart"


def test_value_and_backward_inside_scan():
    def loss(x, w):
        return jax.lax.scan(lambda h, _: (jaxact.relu(w @ h), None), x, None, length=3)[0].sum()

    rows = jaxact.explain(jax.grad(loss), jnp.ones(8), jnp.ones((8, 8)))
    assert [(r.name, r.what) for r in rows] == [("relu", "value"), ("relu", "backward")]
    assert all(r.shapes[0] == (8,) and r.dtypes[0] == "float32" for r in rows)


def test_forward_mode_and_order():
    def second(x):
        return jax.jvp(jax.grad(jaxact.leaky_relu), (x,), (x,))[1]

    rows = jaxact.explain(second, jnp.float32(1.0))
    assert {(r.what, r.order) for r in rows} >= {("tangent", 1)}


def test_abstract_arguments_and_platform():
    rows = jaxact.explain(jaxact.relu, jax.ShapeDtypeStruct((4, 8), jnp.bfloat16), platform="cuda")
    assert rows[0].implementation == "reference"
    assert rows[0].reason == NO_GPU
    assert "bfloat16[4,8]" in str(rows)


def test_another_machine():
    (row,) = jaxact.explain(jaxact.relu, jnp.ones(8), platform="cuda", gpu="H200")
    assert row.reason == XLA_FUSES
    (row,) = jaxact.explain(jaxact.relu, jnp.ones(8), gpu="a100")
    assert row.reason == OLD_JAX if OLD else "compute capability 9.0" in row.reason
    with pytest.raises(ValueError, match="gpu must be one of"):
        jaxact.explain(jaxact.relu, jnp.ones(8), gpu="voodoo2")
    with pytest.raises(ValueError, match="is of platform 'cuda'"):
        jaxact.explain(jaxact.relu, jnp.ones(8), gpu="h200", platform="tpu")


def test_a_demand_that_cannot_be_met_is_shown():
    rows = jaxact.explain(lambda x: jaxact.relu(x, implementation="pallas"), jnp.ones(8))
    assert rows[0].implementation == "error"
    assert "relu (value) has no kernel here" in rows[0].reason


def test_the_demand_raises_when_lowered():
    with pytest.raises(NotImplementedError, match=r"relu \(value\) has no kernel here: kernels"):
        jaxact.relu(jnp.ones(8), implementation="pallas")


def test_nothing_to_explain():
    assert "inline" in str(jaxact.explain(lambda x: jaxact.relu(x, implementation="inline"), jnp.ones(8)))


@pytest.mark.parametrize("implementation", ["reference", "prefer_pallas", "inline"])
def test_use_sets_the_request(implementation):
    def traced():  # a new function each time: JAX keeps the trace of one it has seen
        return str(jax.make_jaxpr(lambda x: jaxact.relu(x))(jnp.ones(8)))  # noqa: PLW0108

    with jaxact.use(implementation=implementation):
        inside = traced()
    assert (implementation in inside) == (implementation != "inline")
    assert ("custom_jvp_call" in inside) == (implementation == "inline")
    assert implementation not in traced()


def test_an_argument_goes_before_use():
    with jaxact.use(implementation="pallas"):
        assert jaxact.relu(jnp.float32(-1.0), implementation="reference") == 0.0
    with pytest.raises(NotImplementedError), jaxact.use(implementation="pallas"):
        jaxact.relu(jnp.float32(-1.0))
