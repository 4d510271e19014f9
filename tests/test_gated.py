"""Gated activations against float64 formulas: values, gradients, layouts, transformations, residuals, errors."""

import itertools

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax.experimental import jet
from oracle import ORACLE
from support import bytes_of, primitives
from ulp import errors, patterns

import jaxact

LAYOUTS = ["concat", "interleaved"]
DTYPES = [jnp.float32, jnp.bfloat16]
# name, the function, the activation of its gate and that one's parameters
FORMS = [
    ("swiglu", jaxact.swiglu, "silu", {}),
    ("geglu", jaxact.geglu, "gelu", {"approximate": True}),
    ("geglu erf", lambda x, **o: jaxact.geglu(x, approximate=False, **o), "gelu", {"approximate": False}),
    ("reglu", jaxact.reglu, "relu", {}),
    ("bilinear", jaxact.bilinear, "identity", {}),
    ("glu", lambda x, **o: jaxact.glu(x, **{"gate_first": True} | o), "sigmoid", {}),
]
form = pytest.mark.parametrize(("function", "gate", "params"), [f[1:] for f in FORMS], ids=[f[0] for f in FORMS])


def halves(shape=(6, 5), seed=0):
    rng = np.random.default_rng(seed)
    return [jnp.asarray(rng.normal(size=shape) * 3, jnp.float32) for _ in range(2)]


def packed(first, second, layout, axis=-1):
    if layout == "concat":
        return jnp.concatenate([first, second], axis)
    axis %= first.ndim
    shape = list(first.shape)
    shape[axis] *= 2
    return jnp.stack([first, second], axis + 1).reshape(shape)


def close(actual, exact, dtype):
    tolerance = 0.51 * 2.0**-7 if dtype == jnp.bfloat16 else 8 * 2.0**-23
    np.testing.assert_allclose(np.asarray(actual, np.float64), exact, rtol=tolerance, atol=1e-6)


def exact(gate, params, g, u):
    """The value and its derivatives in gate and up, in float64."""
    g, u = (np.asarray(v, np.float64) for v in (g, u))
    f, slope = (ORACLE[gate].derivative(k)(g, **params) for k in (0, 1))
    return f * u, slope * u, f


@form
@pytest.mark.parametrize(
    ("layout", "gate_first", "dtype"),
    [*itertools.product([*LAYOUTS, "pair"], [True, False], [jnp.float32]), ("concat", True, jnp.bfloat16)],
)
def test_value_and_gradient(function, gate, params, layout, gate_first, dtype):
    g, u = (v.astype(dtype) for v in halves())
    y, by_gate, by_up = exact(gate, params, g, u)
    first, second = (g, u) if gate_first else (u, g)
    x = (first, second) if layout == "pair" else packed(first, second, layout)
    options = {"gate_first": gate_first} | ({} if layout == "pair" else {"layout": layout})
    actual, pull = jax.vjp(lambda v: function(v, **options), x)
    (gradient,) = pull(jnp.ones_like(actual))
    assert actual.dtype == dtype
    close(actual, y, dtype)
    slopes = (by_gate, by_up) if gate_first else (by_up, by_gate)
    if layout == "pair":
        close(gradient[0], slopes[0], dtype)
        close(gradient[1], slopes[1], dtype)
    else:
        close(gradient, packed(*map(jnp.asarray, map(np.float32, slopes)), layout), dtype)


@form
def test_second_order(function, gate, params):
    g, u = halves()
    hessian = jax.vmap(jax.vmap(jax.hessian(lambda a, b: function((a, b)), (0, 1))))(g, u)
    f1, f2 = (ORACLE[gate].derivative(k)(np.asarray(g, np.float64), **params) for k in (1, 2))
    close(hessian[0][0], f2 * np.asarray(u, np.float64), jnp.float32)
    close(hessian[0][1], f1, jnp.float32)
    close(hessian[1][0], f1, jnp.float32)
    assert not np.any(hessian[1][1])


@form
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_axes_jit_vmap_and_inline(function, gate, params, layout, axis):
    g, u = halves((4, 6))
    x = packed(g, u, layout, axis)
    y = exact(gate, params, g, u)[0]
    close(jax.jit(lambda v: function(v, layout=layout, axis=axis))(x), y, jnp.float32)
    close(function(x, layout=layout, axis=axis, implementation="inline"), y, jnp.float32)
    batched = jax.vmap(lambda v: function(v, layout=layout), in_axes=1, out_axes=1)(packed(g, u, layout, 0))
    close(batched, y, jnp.float32)


SMALLEST = 2.0**-126


def stratified_ups(dtype, count):
    """Over all exponents and both signs, zeros and the largest numbers among them."""
    values = np.sort(patterns(dtype).astype(np.float64))
    values = values[(np.abs(values) >= SMALLEST) | (values == 0)]
    chosen = values[np.linspace(0, len(values) - 1, count).round().astype(int)]
    chosen[count // 2 - 1 : count // 2 + 1] = -0.0, 0.0
    return chosen.astype(dtype)


def exceeding(actual, exact, dtype, counts):
    return (errors(np.asarray(actual), exact, dtype) > 0.51) & counts


@form
@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, np.float16], ids=["bf16", "f16"])
def test_every_16_bit_gate(function, gate, params, dtype):
    """The contract: one rounding, wherever f and the result are normal; the gradient at every 16th of the ups."""
    g = patterns(dtype)
    g = g[(np.abs(g.astype(np.float64)) >= SMALLEST) | (g == 0)][:, None]
    oracle = ORACLE[gate]
    f, slope = (oracle.derivative(k)(g.astype(np.float64), **params) for k in (0, 1))
    off_kink = ~np.isin(g.astype(np.float64), oracle.kinks(**params))

    def normal(v):
        return (np.abs(v) >= SMALLEST) | (v == 0)

    def product(g, u):
        g, u = jnp.broadcast_arrays(g, u)
        return function((g, u))

    def gradient(g, u):
        g, u = jnp.broadcast_arrays(g, u)
        y, pull = jax.vjp(function, (g, u))
        return pull(jnp.ones_like(y))[0]

    ups = stratified_ups(dtype, 64)[None, :]
    with np.errstate(over="ignore"):
        wide = ups.astype(np.float64)
        wrong = exceeding(jax.jit(product)(g, ups), f * wide, dtype, normal(f))
        assert not wrong.any(), (g[wrong.any(1)], ups[:, wrong.any(0)])
        few = ups[:, ::16]
        by_gate, by_up = jax.jit(gradient)(g, few)
        wrong = exceeding(by_gate, slope * few.astype(np.float64), dtype, normal(slope) & off_kink)
        assert not wrong.any(), (g[wrong.any(1)], few[:, wrong.any(0)])
        wrong = exceeding(by_up, np.broadcast_to(f, by_up.shape), dtype, normal(f))
        assert not wrong.any(), g[wrong.any(1)]


@pytest.mark.parametrize("axis", [0, -1])
def test_glu_is_that_of_jax(axis):
    x = halves((4, 6))[0]
    np.testing.assert_allclose(jaxact.glu(x, axis), jax.nn.glu(x, axis), rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "bf16"])
def test_limited_forms(dtype):
    g, u = (2 * v.astype(dtype) for v in halves((40, 5)))
    wide, other = (np.asarray(v, np.float64) for v in (g, u))
    m = np.minimum(wide, 7)
    oai = m / (1 + np.exp(-1.702 * m)) * (np.clip(other, -7, 7) + 1)
    close(jaxact.swiglu_oai((g, u)), oai, dtype)
    close(jaxact.swiglu_oai(packed(g, u, "interleaved")), oai, dtype)
    m = np.minimum(wide, 10)
    close(jaxact.swiglu_clamp((g, u)), m / (1 + np.exp(-m)) * np.clip(other, -10, 10), dtype)
    step = np.minimum(wide / (1 + np.exp(-wide)), 7) * np.clip(other, -7, 7)
    close(jaxact.swiglu_step(packed(g, u, "concat")), step, dtype)
    situ = 4 * np.tanh(wide / 4) / (1 + np.exp(-wide)) * 25 * np.tanh(other / 25)
    close(jaxact.situ_glu(packed(g, u, "concat")), situ, dtype)
    capped = 2 * np.tanh(wide / 2) / (1 + np.exp(-wide)) * 3 * np.tanh(other / 3)
    close(jaxact.situ_glu((g, u), gate_cap=2.0, up_cap=3.0), capped, dtype)
    with pytest.raises(ValueError, match=r"limit must be a finite number above 0, got -1"):
        jaxact.swiglu_step((g, u), limit=-1)


def test_multipliers_and_any_activation_for_either_half():
    g, u = halves()
    actual = jaxact.gated((g, u), "mish", jaxact.get("clip", min_val=-1.0, max_val=1.0), gate_multiplier=0.5)
    wide = np.asarray(g, np.float64)
    close(actual, ORACLE["mish"].value(0.5 * wide) * np.clip(np.asarray(u, np.float64), -1, 1), jnp.float32)
    slope = jax.grad(lambda v: jaxact.gated((v, u), "silu", up_multiplier=2.0, gate_multiplier=0.5).sum())(g)
    close(slope, 0.5 * ORACLE["silu"].first(0.5 * wide) * 2 * np.asarray(u, np.float64), jnp.float32)


@form
@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "bf16"])
def test_nothing_but_the_inputs_is_kept(function, gate, params, dtype):
    g, u = (v.astype(dtype) for v in halves((16, 8)))
    for x in ((g, u), packed(g, u, "concat")):
        _, pull = jax.eval_shape(jax.jit(lambda v: jax.vjp(function, v)), x)
        assert sum(v.size * v.dtype.itemsize for v in jax.tree.leaves(pull)) <= g.nbytes + u.nbytes


def test_forward_mode_agrees_with_reverse():
    x = packed(*halves(), "interleaved")
    function = jax.jit(lambda v: jaxact.swiglu(v, layout="interleaved"))
    np.testing.assert_allclose(jax.jacfwd(function)(x), jax.jacrev(function)(x), rtol=1e-6, atol=1e-7)


def test_bad_input():
    x = jnp.ones((2, 5))
    with pytest.raises(ValueError, match=r"axis 1 of x \(2, 5\) has the odd size 5.*even size"):
        jaxact.swiglu(x)
    with pytest.raises(ValueError, match=r"axis 2 is out of range for x of shape \(2, 5\)"):
        jaxact.swiglu(x, axis=2)
    with pytest.raises(ValueError, match=r"got \(2, 5\) and \(5,\); broadcast"):
        jaxact.swiglu((x, x[0]))
    with pytest.raises(ValueError, match=r"a pair of arrays, got 3"):
        jaxact.swiglu((x, x, x))
    with pytest.raises(TypeError, match=r"float32 and bfloat16; cast one"):
        jaxact.swiglu((x, x.astype(jnp.bfloat16)))
    with pytest.raises(ValueError, match=r"layout must be one of .*'interleaved'.*'packed'"):
        jaxact.swiglu(x, layout="packed")
    with pytest.raises(TypeError, match=r"gate must be an elementwise activation.*jaxact\.elementwise"):
        jaxact.gated(x, jnp.sin)
    with pytest.raises(TypeError, match=r"'negative_slope' of gate prelu must be a number"):
        jaxact.gated(x, jaxact.get("prelu", negative_slope=jnp.ones(3)))
    with pytest.raises(TypeError, match=r"softcap needs its parameter 'cap'"):
        jaxact.gated(jnp.ones(4), "softcap")


@pytest.mark.parametrize("gate_first", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_second_order_of_a_packed_array(layout, gate_first):
    """Along a direction, as that of the pair; it stays in primitives, whose formulas are chosen when lowered."""
    (g, u), (dg, du), ct = halves(), halves(seed=1), halves(seed=2)[0]

    def along(function):
        def run(x, t, ct):
            return jax.jvp(lambda v: jax.vjp(function, v)[1](ct)[0], (x,), (t,))[1]

        return run

    def order(first, second):
        return (first, second) if gate_first else (second, first)

    one = along(lambda v: jaxact.geglu(v, layout=layout, gate_first=gate_first))
    two = along(lambda v: jaxact.geglu(v, gate_first=gate_first))
    x, t = packed(*order(g, u), layout), packed(*order(dg, du), layout)
    wanted = jax.jit(two)(order(g, u), order(dg, du), ct)
    # the two are fused differently, and terms cancel
    np.testing.assert_allclose(jax.jit(one)(x, t, ct), packed(*wanted, layout), rtol=1e-5, atol=1e-5)
    used = set(primitives(one, x, t, ct))
    assert "activation_linear" in used
    assert not used & {"exp", "tanh", "div"}


def test_taylor_mode_of_a_packed_array():
    x = packed(*halves((3,)), "concat")
    series = ([jnp.ones_like(x), jnp.zeros_like(x)],)
    got = jet.jet(jaxact.swiglu, (x,), series)
    wanted = jet.jet(lambda v: jax.nn.silu(v[:3]) * v[3:], (x,), series)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_a_packed_array_is_kept_as_it_is():
    x = packed(*halves((16, 8)), "concat")
    _, pull = jax.vjp(jaxact.swiglu, x)
    assert set(bytes_of(pull)) <= {x.unsafe_buffer_pointer()}
