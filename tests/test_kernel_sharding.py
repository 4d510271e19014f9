"""Kernels on eight devices: each works on its shard, nothing is gathered; a parameter's gradient is an all-reduce.

On the CPU, with stand-ins for the kernels; `tests/test_kernel_compile.py` does the same for eight H200s.
"""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from standin import fixture, fresh  # noqa: F401
from support import close, collectives

import jaxact

SHAPE = (16, 24)
LOCAL = (4, 12)
KINDS = [AxisType.Auto, AxisType.Explicit]


def mesh(kind: AxisType) -> jax.sharding.Mesh:
    return jax.make_mesh((4, 2), ("rows", "columns"), axis_types=(kind, kind))


def some(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def pulled(implementation):
    def run(x, ct):
        y, pull = jax.vjp(lambda v: jaxact.gelu(v, implementation=implementation), x)
        return y, *pull(ct)

    return run


@pytest.mark.parametrize("inside", [False, True], ids=["arguments", "set_mesh"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_elementwise(standin, kind, inside):
    where = mesh(kind)
    x, ct = some(), some(seed=1)
    with jax.set_mesh(where) if inside or kind is AxisType.Explicit else contextlib.nullcontext():
        xs, cts = jax.device_put((x, ct), NamedSharding(where, P("rows", "columns")))
        compiled = fresh(pulled("pallas")).lower(xs, cts).compile()
        assert collectives(compiled) == {}
        results = compiled(xs, cts)
    assert LOCAL in standin.shapes
    for got, wanted in zip(results, pulled("reference")(x, ct)):
        assert got.sharding.is_equivalent_to(xs.sharding, 2)
        close(got, wanted)


def prelu_gradients(implementation):
    def run(x, slope, ct):
        _, pull = jax.vjp(lambda v, a: jaxact.prelu(v, a, implementation=implementation), x, slope)
        return pull(ct)

    return run


@pytest.mark.parametrize("split", [None, "columns"], ids=["channels whole", "channels split"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_gradient_of_a_parameter(standin, kind, split):
    where = mesh(kind)
    x, ct, slope = some(), some(seed=1), some((24,), seed=2)
    with jax.set_mesh(where):
        xs, cts = jax.device_put((x, ct), NamedSharding(where, P("rows", split)))
        slopes = jax.device_put(slope, NamedSharding(where, P(split)))
        compiled = fresh(prelu_gradients("pallas")).lower(xs, slopes, cts).compile()
        assert collectives(compiled) == {"all-reduce": 1}
        dx, dslope = compiled(xs, slopes, cts)
    assert (4, 24 if split is None else 12) in standin.shapes
    wanted = prelu_gradients("reference")(x, slope, ct)
    close(dx, wanted[0])
    close(dslope, wanted[1], 64)


def test_manual(standin):
    x, ct = some(), some(seed=1)
    spec = P("rows", "columns")
    run = jax.shard_map(pulled("pallas"), mesh=mesh(AxisType.Auto), in_specs=spec, out_specs=spec)
    compiled = fresh(run).lower(x, ct).compile()
    assert collectives(compiled) == {}
    assert set(standin.shapes) == {LOCAL}
    for got, wanted in zip(compiled(x, ct), pulled("reference")(x, ct)):
        close(got, wanted)


def test_manual_with_a_replicated_parameter(standin):
    """Its gradient is summed over the mesh, because it was made to vary over it."""
    x, ct, slope = some(), some(seed=1), some((24,), seed=2)
    spec = P("rows", None)
    run = jax.shard_map(
        prelu_gradients("pallas"), mesh=mesh(AxisType.Auto), in_specs=(spec, P(), spec), out_specs=(spec, P())
    )
    compiled = fresh(run).lower(x, slope, ct).compile()
    assert collectives(compiled) == {"all-reduce": 1}
    assert standin.shapes == [(4, 24)]
    for got, wanted in zip(compiled(x, slope, ct), prelu_gradients("reference")(x, slope, ct)):
        close(got, wanted, 64)


def test_partly_manual_is_left_to_the_reference(standin):
    run = jax.shard_map(
        pulled("prefer_pallas"),
        mesh=mesh(AxisType.Auto),
        in_specs=P("rows"),
        out_specs=P("rows"),
        axis_names={"rows"},
    )
    fresh(run).lower(some(), some())
    assert standin.shapes == []
    rows = jaxact.explain(run, some(), some())
    assert {r.reason for r in rows} == {"kernels need a mesh that is wholly manual, explicit or automatic"}


def test_an_uneven_split_is_gathered_rather_than_padded(standin):
    where = mesh(AxisType.Auto)
    x = jax.device_put(some((16, 24)), NamedSharding(where, P("rows", None)))

    def run(x):
        return jaxact.prelu(x[:10], jnp.ones(24), implementation="pallas")

    close(fresh(run)(x), run(some((16, 24))))
    assert all(shape[0] in (10, 16) for shape in standin.shapes)


# -- rows, which have to be whole --------------------------------------------------------------------------------


def pulled_softmax(implementation):
    def run(x, ct):
        y, pull = jax.vjp(lambda v: jaxact.softmax(v, implementation=implementation), x)
        return y, *pull(ct)

    return run


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_whole_rows(standin, kind):
    where = mesh(kind)
    with jax.set_mesh(where):
        xs, cts = jax.device_put((some(), some(seed=1)), NamedSharding(where, P(("rows", "columns"), None)))
        compiled = fresh(pulled_softmax("prefer_pallas")).lower(xs, cts).compile()
        assert collectives(compiled) == {}
        results = compiled(xs, cts)
    assert (2, 24) in standin.shapes
    for got, wanted in zip(results, pulled_softmax("reference")(some(), some(seed=1))):
        close(got, wanted)


def test_split_rows_are_left_to_the_reference(standin):
    """On an explicit mesh, which tells: a few small sums instead of gathered rows."""
    with jax.set_mesh(mesh(AxisType.Explicit)):
        xs, cts = jax.device_put((some(), some(seed=1)), P("rows", "columns"))
        run = fresh(pulled_softmax("prefer_pallas"))
        assert collectives(run.lower(xs, cts).compile()) == {"all-reduce": 3}, (
            "two of the value, one of its gradient"
        )
        reasons = {r.reason for r in jaxact.explain(run, xs, cts)}
    assert standin.shapes == []
    assert reasons == {"rows are split over the mesh axes ['columns'], which a kernel would gather"}


def test_rows_that_may_be_split_are_left_to_the_reference(standin):
    """On an automatic mesh, unless somebody asks."""
    where = NamedSharding(mesh(AxisType.Auto), P("rows", "columns"))
    x = jax.device_put(np.ones((8, 20000), np.float32), where)
    run = fresh(jaxact.sparsemax)
    assert set(collectives(run.lower(x).compile())) == {"all-reduce"}, "of maxima and sums: nothing is gathered"
    assert standin.shapes == []
    (row,) = jaxact.explain(run, x)
    assert row.reason == "an automatic mesh does not tell whether rows are split, which a kernel would gather"
    (row,) = jaxact.explain(lambda v: jaxact.sparsemax(v, implementation="prefer_pallas"), x)
    assert row.implementation == "pallas"
    assert row.reason.endswith("and rows that the mesh splits are gathered for it")


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_packed_halves(standin, kind):
    where = mesh(kind)

    def run(implementation):
        return lambda x, ct: jax.vjp(lambda v: jaxact.geglu(v, implementation=implementation), x)[1](ct)

    with jax.set_mesh(where):
        xs, cts = jax.device_put((some(), some((16, 12))), NamedSharding(where, P("rows", None)))
        compiled = fresh(run("pallas")).lower(xs, cts).compile()
        assert collectives(compiled) == {}
        (dx,) = compiled(xs, cts)
    assert (4, 24) in standin.shapes
    close(dx, run("reference")(some(), some((16, 12)))[0])
