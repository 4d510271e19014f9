"""Programs lowered for cuda hold a kernel where one was chosen, under every transformation.

What is counted is the custom call in the lowered text, not what `explain` says. No GPU and no plugin is needed.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import DEFAULTS
from jax import export
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from standin import fresh

import jaxact
from jaxact.gated import SETTINGS
from pallas_kernels import capability

OLD = tuple(map(int, jax.__version__.split(".")[:3])) < capability.MINIMUM_JAX
pytestmark = pytest.mark.skipif(OLD, reason="kernels need JAX 0.11.2")
TARGET = "mosaic_gpu_v2"
X = jax.ShapeDtypeStruct((16, 256), jnp.float32)


def kernels(function, *args) -> int:
    """The kernels of a program for cuda."""
    text = fresh(function).trace(*args).lower(lowering_platforms=("cuda",)).as_text()
    return text.count(f"stablehlo.custom_call @{TARGET}")


def gelu(x, implementation="pallas"):
    return jaxact.gelu(x, implementation=implementation)


def backward(function):
    return lambda ct, *v: jax.vjp(function, *v)[1](ct)


def both(function):
    """The value and the gradients."""

    def run(ct, *v):
        y, pull = jax.vjp(function, *v)
        return y, pull(ct)

    return run


@pytest.mark.parametrize("case", DEFAULTS, ids=str)
def test_elementwise_activations_have_kernels(case):
    function = functools.partial(case.activation, **case.params, implementation="pallas")
    assert kernels(both(function), X, X) == 2


@pytest.mark.parametrize("implementation", [None, "reference", "prefer_pallas", "inline"])
def test_none_where_the_gpu_is_not_known_or_not_asked_for(implementation):
    assert kernels(lambda x: gelu(x, implementation), X) == 0


@pytest.mark.parametrize(
    ("name", "function", "args", "count"),
    [
        ("tangent", lambda x, t: jax.jvp(gelu, (x,), (t,)), (X, X), 2),
        ("backward alone", backward(gelu), (X, X), 1),
        ("second order", lambda x: jax.jvp(jax.grad(lambda v: gelu(v).sum()), (x,), (x,))[1], (X,), 1),
        ("vmap", jax.vmap(gelu, in_axes=1, out_axes=1), (X,), 1),
        ("vmap of grad", jax.vmap(jax.grad(lambda v: gelu(v).sum())), (X,), 1),
        ("scan", lambda x: jax.lax.scan(lambda h, _: (gelu(h), None), x, None, length=3)[0], (X,), 1),
        ("remat", jax.grad(jax.checkpoint(lambda v: jnp.sin(gelu(v)).sum())), (X,), 2),
        ("number", gelu, (jax.ShapeDtypeStruct((), jnp.float32),), 1),
        ("half precision", gelu, (jax.ShapeDtypeStruct((3, 5, 7), jnp.bfloat16),), 1),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_transformations(name, function, args, count):
    assert kernels(function, *args) == count


def test_shard_map():
    mesh = jax.make_mesh((8,), ("rows",), axis_types=(AxisType.Auto,))
    run = jax.shard_map(backward(gelu), mesh=mesh, in_specs=P("rows"), out_specs=P("rows"))
    assert kernels(run, X, X) == 1


def parameters(*shapes):
    return [jax.ShapeDtypeStruct(s, jnp.float32) for s in shapes]


def prelu(x, slope):
    return jaxact.prelu(x, slope, implementation="pallas")


def fused(x, bias, scale, residual):
    return jaxact.fused(x, "silu", bias=bias, scale=scale, residual=residual, implementation="pallas")


@pytest.mark.parametrize("shape", [(), (1,), (256,), (1, 256)], ids=str)
def test_parameters(shape):
    """A parameter's gradient is summed in the kernel that gives that of x."""
    assert kernels(prelu, X, *parameters(shape)) == 1
    assert kernels(backward(prelu), X, X, *parameters(shape)) == 1


def test_fused_is_one_kernel_each_way():
    rest = [*parameters((256,), (256,)), X]
    assert kernels(fused, X, *rest) == 1
    assert kernels(backward(fused), X, X, *rest) == 1


@pytest.mark.parametrize("layout", ["concat", "interleaved"])
@pytest.mark.parametrize("function", SETTINGS, ids=lambda f: f.__name__)
def test_packed_halves(function, layout):
    """One kernel reads the packed array, one writes its gradient packed; clamps are part of its body."""
    run = functools.partial(function, layout=layout, implementation="pallas")
    half = jax.ShapeDtypeStruct((16, 128), jnp.float32)
    assert kernels(both(run), half, X) == 2
    assert kernels(both(run), half, (half, half)) == 2


@pytest.mark.parametrize("block", [None, 128])
@pytest.mark.parametrize("name", ["silu", "swiglu", "glu"])
def test_quantised(name, block):
    def run(x):
        return jaxact.act_quant(x, name, block=block, implementation="pallas")

    assert kernels(run, X) == 1
    assert kernels(jax.vmap(run), jax.ShapeDtypeStruct((2, 16, 256), jnp.bfloat16)) == 1


ROWS = [
    ("softmax", jaxact.softmax, {}),
    ("softmin of two axes", jaxact.softmin, {"axis": (-2, -1), "scale": 0.5}),
    ("masked", jaxact.softmax, {"where": np.arange(256) < 200}),
    ("log_softmax", jaxact.log_softmax, {}),
    ("sparsemax", jaxact.sparsemax, {}),
    ("entmax15", jaxact.entmax15, {}),
    ("entmax", jaxact.entmax, {"alpha": 1.25}),
]


@pytest.mark.parametrize(("function", "options"), [r[1:] for r in ROWS], ids=[r[0] for r in ROWS])
def test_rows(function, options):
    run = functools.partial(function, **options, implementation="pallas")
    assert kernels(both(run), X, X) == 2


@pytest.mark.parametrize("known", [True, False], ids=["GPU known", "GPU unknown"])
def test_export_for_two_platforms(known, monkeypatch):
    """With kernels for cuda where the GPU is known, and no check disabled; the CPU's part runs."""
    why_not = capability.why_not
    if known:
        monkeypatch.setattr(
            capability, "why_not", lambda kind, **of: why_not(kind, **of | {"compute_capability": "9.0"})
        )
    x = jnp.linspace(-4, 4, 512).reshape(4, 128)
    run = jax.jit(backward(lambda v: gelu(v, "prefer_pallas")))
    exported = export.export(run, platforms=("cpu", "cuda"))(x, x)
    assert exported.mlir_module().count(TARGET) == known
    np.testing.assert_array_equal(exported.call(x, x)[0], run(x, x)[0])


def test_export_of_every_kind_of_kernel(monkeypatch):
    """Halves, sums, rows and quantisation, for cuda where the GPU is known; symbolic sizes have none."""
    why_not = capability.why_not
    monkeypatch.setattr(
        capability, "why_not", lambda kind, **of: why_not(kind, **of | {"compute_capability": "9.0"})
    )

    @jax.jit
    def every(x, slope):
        how = {"implementation": "prefer_pallas"}
        _, packed = jax.vjp(lambda v: jaxact.swiglu(v, **how), x)
        _, sums = jax.vjp(lambda v, s: jaxact.prelu(v, s, **how), x, slope)
        y = jaxact.softmax(x, **how)
        return packed(y[:, :64]), sums(y), jaxact.entmax15(x, **how), jaxact.act_quant(x, "silu", **how)

    x, slope = jnp.linspace(-4, 4, 512).reshape(4, 128), jnp.full(128, 0.25)
    exported = export.export(every, platforms=("cpu", "cuda"))(x, slope)
    assert exported.mlir_module().count(TARGET) == 5
    jax.tree.map(np.testing.assert_array_equal, exported.call(x, slope), every(x, slope))
    symbolic = jax.ShapeDtypeStruct(export.symbolic_shape("n, 128"), "float32")
    assert TARGET not in export.export(every, platforms=("cpu", "cuda"))(symbolic, slope).mlir_module()


def test_export_with_kernels():
    x = jax.ShapeDtypeStruct((4, 128), jnp.float32)
    exported = export.export(jax.jit(backward(gelu)), platforms=("cuda",))(x, x)
    assert exported.mlir_module().count(TARGET) == 1
    again = export.deserialize(exported.serialize())
    assert again.mlir_module().count(TARGET) == 1


def test_in_place():
    """The kernel writes over its operand."""

    def text(inplace):
        run = fresh(lambda x: jaxact.relu(x, inplace=inplace, implementation="pallas"))
        return run.trace(X).lower(lowering_platforms=("cuda",)).as_text()

    assert "output_operand_alias" in text(True)
    assert "output_operand_alias" not in text(False)
