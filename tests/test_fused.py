"""`fused` against float64 formulas: values, gradients, second order, transformations, what is kept."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from oracle import ORACLE
from standin import fixture, fresh  # noqa: F401
from support import bytes_of, primitives

import jaxact

SHAPE = (6, 5)
DTYPES = [jnp.float32, jnp.bfloat16]
NAMES = ("bias", "scale", "residual")


def operands(dtype=jnp.float32, rows=jnp.float32):
    """x, bias and scale a channel, and a residual."""
    rng = np.random.default_rng(0)
    x, residual = (jnp.asarray(rng.normal(size=SHAPE), jnp.float32).astype(dtype) for _ in range(2))
    bias, scale = (jnp.asarray(rng.uniform(0.5, 1.5, SHAPE[-1:]), jnp.float32).astype(rows) for _ in range(2))
    return x, bias, scale, residual


def run(activation, **options):
    return lambda x, bias, scale, residual: jaxact.fused(
        x, activation, bias=bias, scale=scale, residual=residual, **options
    )


def cotangent(dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(9).uniform(0.5, 1.5, SHAPE), jnp.float32).astype(dtype)


def in_float64(name, *values):
    x, bias, scale, residual = (np.asarray(v, np.float64) for v in values)
    z = x * scale + bias
    value, slope, curvature = (ORACLE[name].derivative(k)(z) for k in range(3))
    return x, scale, residual, value, slope, curvature


def close(actual, exact, dtype=jnp.float32, rounds=1):
    eps = 2.0**-8 if dtype == jnp.bfloat16 else 2.0**-19
    np.testing.assert_allclose(np.asarray(actual, np.float64), exact, rtol=rounds * eps, atol=rounds * eps / 8)


@pytest.mark.parametrize("implementation", [None, "inline"])
@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "bf16"])
@pytest.mark.parametrize("name", ["gelu", "relu", "tanh"])
def test_value_and_gradients(name, dtype, implementation):
    values, ct = operands(dtype), cotangent(dtype)
    y, grads = fresh(
        lambda ct, *v: (jax.vjp(f := run(name, implementation=implementation), *v)[0], jax.vjp(f, *v)[1](ct))
    )(ct, *values)
    x, scale, residual, value, slope, _ = in_float64(name, *values)
    wide = np.asarray(ct, np.float64)
    assert [v.dtype for v in (y, *grads)] == [dtype, *(v.dtype for v in values)]
    close(y, value + residual, dtype)
    for got, exact in zip(
        grads, (slope * scale * wide, (slope * wide).sum(0), (slope * x * wide).sum(0), wide), strict=True
    ):
        close(got, exact, got.dtype, 4)


@pytest.mark.parametrize("implementation", [None, "inline"])
def test_second_order_of_every_pair(implementation):
    """The Hessian of sum(y * ct) in x, bias and scale."""
    values, ct = operands(), cotangent()

    def loss(*v):
        return jnp.sum(run("tanh", implementation=implementation)(*v) * ct)

    hessian = fresh(jax.hessian(loss, argnums=(0, 1, 2)))(*values)
    x, scale, _, _, slope, curvature = in_float64("tanh", *values)
    wide, same = np.asarray(ct, np.float64), np.eye(SHAPE[-1])
    f1, f2 = slope * wide, curvature * wide
    rows = np.eye(SHAPE[0])

    def of_x(v):  # d2/dx[i,c] dx[j,d]
        return np.einsum("ic,ij,cd->icjd", v, rows, same)

    def mixed(v):  # d2/dx[i,c] dp[d]
        return np.einsum("ic,cd->icd", v, same)

    exact = [
        [of_x(f2 * scale**2), mixed(f2 * scale), mixed(f2 * scale * x + f1)],
        [None, np.diag(f2.sum(0)), np.diag((f2 * x).sum(0))],
        [None, None, np.diag((f2 * x * x).sum(0))],
    ]
    for i in range(3):
        for j in range(i, 3):
            close(hessian[i][j], exact[i][j], rounds=16)


def test_forward_mode_agrees_and_residual_passes_through():
    values, ct = operands(), cotangent()
    tangents = [jnp.ones_like(v) * (i + 1) for i, v in enumerate(values)]
    _, along = fresh(lambda v, t: jax.jvp(run("gelu"), v, t))(values, tuple(tangents))
    grads = fresh(lambda v: jax.vjp(run("gelu"), *v)[1](ct))(values)
    close(jnp.sum(along * ct), sum(float(jnp.sum(g * t)) for g, t in zip(grads, tangents)), rounds=16)
    assert primitives(lambda r: jax.vjp(lambda r: run("gelu")(*values[:3], r), r)[1](ct), values[3]) == [
        "activation"
    ]


def test_keeps_x_and_the_rows_but_not_the_residual():
    x, bias, scale, residual = operands()
    _, pull = jax.vjp(run("gelu"), x, bias, scale, residual)
    assert set(bytes_of(pull)) <= {v.unsafe_buffer_pointer() for v in (x, bias, scale)}


def test_residual_of_another_dtype_and_broadcast():
    x, bias, scale, _ = operands(jnp.bfloat16)
    residual = jnp.full(SHAPE[-1:], 0.5, jnp.float32)
    y, pull = jax.vjp(run("relu"), x, bias, scale, residual)
    grad = pull(jnp.ones_like(y))[3]
    assert (y.dtype, grad.dtype) == (jnp.bfloat16, jnp.float32)
    np.testing.assert_array_equal(grad, jnp.full(SHAPE[-1:], 6.0))


def test_numbers_and_nothing():
    x = operands()[0]
    np.testing.assert_array_equal(jaxact.fused(x, "gelu"), jaxact.gelu(x))
    y = jaxact.fused(x, jaxact.get("leaky_relu", negative_slope=0.5), scale=2.0, bias=1, residual=-3.0)
    z = np.asarray(x, np.float64) * 2 + 1
    close(y, np.where(z > 0, z, 0.5 * z) - 3)
    assert jaxact.fused(jnp.arange(3), "relu", bias=0.5).dtype == jnp.float32


def test_vmap_over_everything_and_over_rows_alone():
    values = operands()
    grad = jax.grad(lambda *v: jnp.sum(jnp.sin(run("gelu")(*v))), argnums=(0, 1, 2, 3))
    for axes in ((0, 0, 0, 0), (None, 0, None, None), (0, None, None, 0)):
        batched = [v if a is None else jnp.stack([v, v * 1.5]) for v, a in zip(values, axes)]
        got = fresh(jax.vmap(grad, in_axes=axes))(*batched)
        for k in range(2):
            wanted = grad(*(v if a is None else v[k] for v, a in zip(batched, axes)))
            for g, w in zip(got, wanted, strict=True):
                close(g[k], w, rounds=16)


def test_scan_and_remat():
    x, bias, scale, residual = operands()

    def layers(x):
        step = jax.checkpoint(lambda h, _: (run("silu")(h, bias, scale, residual), None))
        return jnp.sum(jax.lax.scan(step, x, None, length=3)[0])

    def unrolled(x):
        for _ in range(3):
            x = jax.nn.silu(x * scale + bias) + residual
        return jnp.sum(x)

    close(fresh(jax.grad(layers))(x), fresh(jax.grad(unrolled))(x), rounds=16)


def test_nan_and_infinities():
    x = jnp.array([jnp.nan, jnp.inf, -jnp.inf])
    y = jaxact.fused(x, "gelu", bias=jnp.ones(3), residual=jnp.ones(3))
    np.testing.assert_array_equal(y, [jnp.nan, jnp.inf, 1.0])
    grad = jax.vjp(lambda b: jaxact.fused(jnp.ones(1), "relu", bias=b), jnp.array([jnp.nan]))[1](jnp.ones(1))[0]
    assert jnp.isnan(grad).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: jaxact.fused(x, "softmax"), TypeError, "fused: activation must be an elementwise activation"),
        (
            lambda x: jaxact.fused(x, "gelu", bias=jnp.ones(4)),
            ValueError,
            r"fused: bias must broadcast .*\(6, 5\)",
        ),
        (
            lambda x: jaxact.fused(x, "gelu", residual=jnp.ones((2, 6, 5))),
            ValueError,
            "fused: residual must broadcast",
        ),
        (lambda x: jaxact.fused(x, "gelu", scale="2"), TypeError, "scale must be a number or an array"),
        (
            lambda x: jaxact.fused(x, "gelu", bias=jnp.ones(5, jnp.complex64)),
            TypeError,
            "bias must be a real array",
        ),
        (lambda x: jaxact.fused(x, "gelu", scale=np.inf), ValueError, "scale must be a finite number"),
        (
            lambda x: jaxact.fused(x, jaxact.get("prelu", negative_slope=jnp.ones(5))),
            TypeError,
            "must be a number",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call(operands()[0])


def test_one_kernel(standin):
    values = operands()
    y = fresh(run("gelu", implementation="pallas"))(*values)
    assert standin.shapes == [SHAPE]
    close(y, run("gelu")(*values), rounds=4)
    text = fresh(run("gelu", implementation="pallas")).lower(*values).as_text()
    assert "custom_call" not in text
