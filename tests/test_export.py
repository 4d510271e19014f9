"""jax.export for two platforms and with symbolic shapes; the CPU artefact runs and agrees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from support import PROBES, SOME, close, exact, points, some, with_parameters

PLATFORMS = ("cpu", "cuda")


@pytest.mark.parametrize("case", SOME, ids=str)
def test_value_and_gradient_for_two_platforms(case):
    x, ct = points(case), some()

    def run(x, ct):
        y, pull = jax.vjp(case, x)
        return y, pull(ct)[0]

    exported = export.export(jax.jit(run), platforms=PLATFORMS)(x, ct)
    assert exported.platforms == PLATFORMS
    y, grad = exported.call(x, ct)
    close(y, exact(case, x))
    close(grad, exact(case, x, 1) * ct)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_symbolic_shapes_and_a_derivative_of_the_artefact(case):
    rows, columns = export.symbolic_shape("rows, columns")
    abstract = jax.ShapeDtypeStruct((rows, columns), jnp.float32)
    exported = export.export(jax.jit(case))(abstract)
    for shape in ((8, 6), (3, 5)):
        x = points(case, shape)
        close(exported.call(x), exact(case, x))
        close(jax.vjp(exported.call, x)[1](some(shape))[0], exact(case, x, 1) * some(shape))


@pytest.mark.parametrize("case", with_parameters(SOME), ids=str)
def test_parameters_with_symbolic_shapes(case):
    rows, columns = export.symbolic_shape("rows, columns")
    abstract = [
        jax.ShapeDtypeStruct(s, jnp.float32) for s in ((rows, columns), *((columns,) for _ in case.values()))
    ]
    pulled = jax.jit(lambda *v: jax.vjp(case.with_parameters, *v)[1](jnp.ones_like(v[0])))
    exported = export.export(pulled, platforms=PLATFORMS)(*abstract)
    x = points(case)
    dx, *grads = exported.call(x, *(jnp.full((6,), v, jnp.float32) for v in case.values()))
    close(dx, exact(case, x, 1))
    for name, grad in zip(case.differentiable, grads):
        close(grad, np.sum(exact(case, x, wrt=name), axis=0), 256)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_vmap_of_a_symbolic_batch(case):
    (batch,) = export.symbolic_shape("batch")
    exported = export.export(jax.jit(jax.vmap(jax.grad(case))))(jax.ShapeDtypeStruct((batch,), jnp.float32))
    x = points(case)[:, 0]
    close(exported.call(x), exact(case, x, 1))


@pytest.mark.parametrize("case", PROBES, ids=str)
def test_through_bytes(case):
    pytest.importorskip("flatbuffers", reason="jax.export needs flatbuffers to serialize")
    x = points(case)
    exported = export.export(jax.jit(case), platforms=PLATFORMS)(x)
    again = export.deserialize(exported.serialize(vjp_order=1))
    close(again.call(x), exact(case, x))
    close(jax.vjp(again.call, x)[1](some())[0], exact(case, x, 1) * some())
