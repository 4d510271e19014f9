"""What holds for every activation, at random shapes, dtypes, axes and settings; see profiles.py for how many."""

import contextlib
import functools
from typing import Any

import chex
import flax
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from cases import CASES, REQUIRED, Case, rowwise
from hypothesis import assume, example, given
from hypothesis import strategies as st
from profiles import inputs, share
from support import close, exact, oracle, points

import jaxact
import jaxact.linen
import jaxact.nnx
from jaxact._src import catalogue

SHAPES = ((), (1,), (5,), (0,), (2, 3), (3, 0), (1, 4), (2, 1, 3), (2, 2, 1, 3), (1, 2, 1, 2, 2))
FLOATS = ("float32", "bfloat16", "float16")
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-30, -1e-30, 88.0, -88.0, 1e30, -1e30)

cases = st.sampled_from(CASES)
shapes = st.sampled_from(SHAPES)
seeds = st.integers(0, 2**32 - 1)


def sample(shape: tuple[int, ...], dtype: Any, seed: int) -> np.ndarray:
    """Ordinary numbers, with every third one special."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 3, shape)
    x = np.where(rng.integers(0, 3, shape) == 0, rng.choice(SPECIAL, shape), x)
    with np.errstate(over="ignore"):
        return x.astype(dtype)


def equal(actual: Any, expected: Any, rounds: float = 8.0, cancels: Any = 1e-3) -> None:
    """Raise unless two results of ours agree, to what another order of the same operations may change.

    Results of which terms of the size `cancels` may have cancelled are held to the rounding of those.
    """
    chex.assert_equal_shape([actual, expected])
    actual, expected = (np.asarray(v) for v in (actual, expected))
    eps = float(ml_dtypes.finfo(actual.dtype).eps) * rounds
    tiny = float(ml_dtypes.finfo(actual.dtype).tiny)
    least = np.maximum(tiny, eps * cancels)
    actual, expected = (v.astype(float) for v in (actual, expected))
    apart = ~np.isclose(actual, expected, rtol=eps, atol=least, equal_nan=True)
    assert not apart.any(), f"{actual[apart]} are not {expected[apart]}, at {np.argwhere(apart).tolist()}"


def stacked(function: Any, x: Any) -> Any:
    return jnp.stack([function(v) for v in x])


@share("elementwise")
@given(case=cases, shape=shapes, dtype=st.sampled_from(FLOATS), seed=seeds, mode=st.sampled_from(("jit", "eager")))
def test_elementwise(case, shape, dtype, seed, mode):
    loops = len(shape) > 0 and 0 < shape[0] <= 3

    def everything(x: Any) -> Any:
        return case(x), (jax.vmap(case)(x), stacked(case, x)) if loops else None

    run = everything if mode == "eager" else jax.jit(everything)
    for s in inputs(seed):
        x = sample(shape, jnp.dtype(dtype), s)
        y, both = run(x)
        _check_elementwise(case, x, y, both)


def _check_elementwise(case: Case, x: np.ndarray, y: Any, both: Any) -> None:
    shape, dtype = x.shape, x.dtype
    chex.assert_shape(y, shape)
    chex.assert_type(y, jnp.dtype(dtype))
    if both:
        equal(*both)
        equal(y, both[0])
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        wanted = exact(case, wide)
    holds = np.abs(wanted) <= float(ml_dtypes.finfo(dtype).max)
    got = np.asarray(y).astype(np.float64)
    assert np.all(np.isnan(got[np.isnan(wide)])), "NaN in, NaN out"
    lost = np.isfinite(wide) & holds & ~np.isfinite(got)
    assert not lost.any(), f"not finite at {x[lost]}, where it is {wanted[lost]}"


INTEGERS = ("bool", "int8", "uint8", "int16", "int32", "uint32")
NARROW = ("float8_e4m3fn", "float8_e5m2")


@share("dtypes")
@given(
    case=cases,
    shape=st.sampled_from(((), (3,), (2, 2), (0, 3))),
    dtype=st.sampled_from((*INTEGERS, *NARROW, "float64", "int64", "python int", "python float", "python bool")),
    x64=st.booleans(),
    seed=seeds,
)
def test_dtypes(case, shape, dtype, x64, seed):
    for s in inputs(seed):
        values = np.random.default_rng(s).integers(0, 4, shape)
        with jax.enable_x64(x64):
            kind = {"int": int, "float": float, "bool": bool}.get(dtype.removeprefix("python "))
            x = jnp.asarray(values.astype(dtype)) if kind is None else kind(values.flat[0] if values.size else 1)
            _check_dtype(case, x, jax.eval_shape(case, x) if s % 4 else case(x))


def _check_dtype(case: Case, x: Any, y: Any) -> None:
    """Floats are kept; integers too where the record says so, else they are promoted as by jnp.tanh."""
    x = jnp.asarray(x)
    parameters = case.definition.bind((), case.params).values()
    whole = all(v is None or float(v).is_integer() for v in parameters)
    chex.assert_equal_shape([y, x])
    if jnp.issubdtype(x.dtype, jnp.floating):
        assert y.dtype == x.dtype
    elif case.definition.facts.keeps_integers and whole:
        assert y.dtype == x.dtype or (x.dtype, y.dtype) == (bool, jnp.int32)
    else:
        assert y.dtype == jax.eval_shape(jnp.tanh, x).dtype


@share("derivatives")
@given(case=cases, shape=st.sampled_from(((5,), (2, 3), (1, 2, 2))), seed=seeds)
def test_derivatives_are_those_of_finite_differences(case, shape, seed):
    step = 1e-5
    with jax.enable_x64(True):

        @jax.jit
        def everything(x: Any, t: Any, ct: Any) -> Any:
            _, moved = jax.jvp(case, (x,), (t,))
            _, pull = jax.vjp(case, x)
            return moved, pull(ct)[0], case(x + step * t) - case(x - step * t)

        for s in inputs(seed):
            rng = np.random.default_rng(s)
            x, t, ct = rng.uniform(-4, 4, shape), rng.normal(size=shape), rng.normal(size=shape)
            for kink in oracle(case).kinks(**case.params):
                x = np.where(np.abs(x - kink) < 4 * step, kink + 8 * step, x)
            moved, pulled, difference = everything(x, t, ct)
            np.testing.assert_allclose(moved, difference / (2 * step), rtol=2e-4, atol=2e-6)
            np.testing.assert_allclose(np.vdot(pulled, t), np.vdot(ct, moved), rtol=1e-9, atol=1e-12)


@share("parameters")
@given(
    case=st.sampled_from([c for c in CASES if c.differentiable]),
    along=st.sampled_from(((), (3,), (2, 1), (2, 3))),
    seed=seeds,
)
def test_gradients_of_array_parameters(case, along, seed):
    step = 1e-6
    with jax.enable_x64(True):

        @jax.jit
        def everything(x: Any, values: Any, changes: Any, ct: Any) -> Any:
            def of(*given: Any) -> Any:
                return case.with_parameters(x, *given)

            _, moved = jax.jvp(of, values, changes)
            up, down = (of(*(v + s * t for v, t in zip(values, changes))) for s in (step, -step))
            return moved, jax.vjp(of, *values)[1](ct), up - down

        for s in inputs(seed):
            rng = np.random.default_rng(s)
            near = [v * rng.uniform(0.95, 1.05) if v else rng.uniform(0.01, 0.05) for v in case.values()]
            x, ct = rng.uniform(-4, 4, (2, 3)), rng.normal(size=(2, 3))
            for kink in oracle(case).kinks(**{**case.params, **dict(zip(case.differentiable, near))}):
                margin = 8 * step * max(1.0, abs(kink))
                x = np.where(np.abs(x - kink) < margin, kink + 2 * margin, x)
            values = tuple(np.full(along, v) for v in near)
            changes = tuple(rng.normal(size=along) * max(1.0, abs(v)) for v in near)
            moved, pulled, difference = everything(x, values, changes, ct)
            chex.assert_trees_all_equal_shapes_and_dtypes(pulled, values)
            np.testing.assert_allclose(moved, difference / (2 * step), rtol=2e-4, atol=2e-6)
            total = sum(np.vdot(p, t) for p, t in zip(pulled, changes))
            np.testing.assert_allclose(total, np.vdot(ct, moved), rtol=1e-9, atol=1e-12)


ROWS = rowwise()


@share("rows")
@given(
    name=st.sampled_from(ROWS),
    shape=st.sampled_from(((4,), (2, 3), (3, 2, 2), (2, 0), (0, 3))),
    dtype=st.sampled_from(FLOATS),
    axis=st.sampled_from((-1, 0, None)),
    masked=st.booleans(),
    scale=st.sampled_from((1.0, 0.5)),
    seed=seeds,
)
@example(name="sparsemax", shape=(3, 2, 2), dtype="bfloat16", axis=0, masked=False, scale=1.0, seed=358)
def test_rows(name, shape, dtype, axis, masked, scale, seed):
    activation = catalogue.activations()[name]
    function = functools.partial(activation, axis=axis, scale=scale)

    @jax.jit
    def everything(x: Any, where: Any, batch: Any) -> Any:
        y, pull = jax.vjp(lambda v: function(v, where=where), x)
        return y, pull(jnp.ones_like(y))[0], jax.vmap(function)(batch), stacked(function, batch)

    for s in inputs(seed):
        rng = np.random.default_rng(s)
        x = rng.normal(0, 2, shape).astype(jnp.dtype(dtype))
        where = rng.integers(0, 3, shape) > 0 if masked else None
        batch = np.stack([x, x + np.ones_like(x), -x])  # here: a sum inside jit XLA may leave in float32
        y, gradient, mapped, looped = everything(x, where, batch)
        chex.assert_shape([y, gradient], shape)
        chex.assert_type([y, gradient], jnp.dtype(dtype))
        equal(mapped, looped, 32)
        if x.size:
            included = np.ones(shape, bool) if where is None else where
            _check_shares(name, y, included, axis)
            assert np.all(np.isfinite(np.asarray(gradient).astype(np.float64)))


def _check_shares(name: str, y: Any, included: np.ndarray, axis: Any) -> None:
    """Probabilities: none for what is masked, and one in all."""
    probability = np.asarray(y).astype(np.float64)
    probability = np.exp(probability) if name.startswith("log") else probability
    assert np.all(probability[~included] == 0), "what is masked has no share"
    total = probability.sum(axis=axis, keepdims=True)
    wanted = included.any(axis=axis, keepdims=True)
    np.testing.assert_allclose(total, wanted, atol=4 * float(ml_dtypes.finfo(y.dtype).eps) * y.size)


GATED = ("glu", "swiglu", "geglu", "reglu", "bilinear", "swiglu_oai", "swiglu_clamp", "swiglu_step", "situ_glu")


@share("gated")
@given(
    name=st.sampled_from(GATED),
    shape=st.sampled_from(((3,), (2, 3), (2, 1, 2))),
    dtype=st.sampled_from(FLOATS),
    gate_first=st.booleans(),
    seed=seeds,
)
def test_layouts_agree(name, shape, dtype, gate_first, seed):
    function = functools.partial(getattr(jaxact, name), gate_first=gate_first)

    @jax.jit
    def everything(packed: Any, mixed: Any, first: Any, second: Any) -> Any:
        gradient = jax.grad(lambda x: function(x, layout="concat").astype(jnp.float32).sum())
        return (
            function((first, second)),
            function(packed, layout="concat"),
            function(mixed, layout="interleaved"),
            function(jnp.moveaxis(packed, -1, 0), layout="concat", axis=0),
            gradient(packed),
            jax.grad(lambda a: function((a, second)).astype(jnp.float32).sum())(first),
        )

    for s in inputs(seed):
        rng = np.random.default_rng(s)
        first, second = (rng.normal(0, 3, shape).astype(jnp.dtype(dtype)) for _ in range(2))
        packed = np.concatenate([first, second], axis=-1)
        mixed = np.stack([first, second], axis=-1).reshape(packed.shape)
        pair, concatenated, interleaved, in_front, whole, half = everything(packed, mixed, first, second)
        chex.assert_shape(pair, shape)
        chex.assert_type(pair, jnp.dtype(dtype))
        equal(concatenated, pair)
        equal(interleaved, pair)
        equal(jnp.moveaxis(in_front, 0, -1), pair)
        equal(whole[..., : shape[-1]], half)


# Every layer that can be made of its defaults, with what the others need.
LAYERS = {n: {} for n in jaxact.nnx.__all__ if n not in ("Activation", "Linear", "Conv", "GatedMLP")}
LAYERS = {n: o for n, o in LAYERS.items() if n[0].isupper()}
LAYERS["RReLU"] = {"deterministic": True}
LAYERS["Threshold"] = {"threshold": 0.1, "value": 2.0}
LAYERS["Maxout"] = {"num_pieces": 2}
LAYERS["MetaAcon"] = {"num_parameters": 4}
LAYERS["Dice"] = {"num_parameters": 4, "use_running_average": True}
# An activation as a layer, on all of its input or a part, and the feed-forward block: of any activation.
NAMED = sorted({c.name for c in CASES if c.name not in REQUIRED})
ARGUMENTS = {
    "Activation": st.fixed_dictionaries(
        {"activation": st.sampled_from([*NAMED, "softmax", "crelu"])},
        optional={"slc": st.sampled_from((slice(1, 3), slice(None, None, 2), (slice(0, 1),)))},
    ),
    "GatedMLP": st.fixed_dictionaries(
        {"activation": st.sampled_from([*NAMED, "swiglu_oai", "geglu"]), "packed": st.booleans()},
        optional={"layout": st.sampled_from(("concat", "interleaved")), "gate_first": st.booleans()},
    ),
}


def _layers(name: str, options: dict[str, Any]) -> list[tuple[Any, Any]]:
    """The NNX and the Linen layer as jitted functions of variables and an input, with the same variables."""
    needs = {"rngs": flax.nnx.Rngs(0)} if name in ("MetaAcon", "GatedMLP") else {}
    module = getattr(jaxact.nnx, name)(**options, **needs)
    graph, state = flax.nnx.split(module)
    layer = getattr(jaxact.linen, name)(**options)
    return [
        (jax.jit(lambda v, x: flax.nnx.merge(graph, v)(x)), state),
        (jax.jit(layer.apply), jaxact.nnx.to_linen(module)),
    ]


@share("modules")
@given(
    layer=st.one_of(
        st.sampled_from([(n, LAYERS[n]) for n in sorted(LAYERS)]),
        *(st.tuples(st.just(n), options) for n, options in ARGUMENTS.items()),
    ),
    shape=st.sampled_from(((4,), (2, 4), (2, 3, 4))),
    seed=seeds,
)
def test_modules(layer, shape, seed):
    name, options = layer
    options = {"features": 4, "hidden": 3, **options} if name == "GatedMLP" else options
    assume(options.get("activation") != "crelu" or "slc" not in options)  # it makes two of one: tests/bad_input
    assume(name != "MetaAcon" or len(shape) > 1)  # its channels lie behind a batch: tests/bad_input
    if name == "Softmax2d":
        shape = (*(1,) * (3 - len(shape)), *shape)
    both = _layers(name, options)
    kept = not {"crelu", "softmax"} & {options.get("activation")}
    for s in inputs(seed):
        x = np.random.default_rng(s).normal(0, 2, shape).astype(np.float32)
        results = [run(variables, x) for run, variables in both]
        chex.assert_type(results, jnp.float32)
        equal(*results, rounds=64 if name == "GatedMLP" else 8)
        if kept:
            halved = {"GLU": 0.5, "Maxout": 0.5, "CReLU": 2}.get(name, 1)
            chex.assert_shape(results, (*shape[:-1], int(shape[-1] * halved)))


@share("random")
@given(
    lower=st.floats(-0.5, 0.5),
    width=st.floats(0.0, 0.5),
    shape=st.sampled_from(SHAPES),
    dtype=st.sampled_from(FLOATS),
    seed=seeds,
)
def test_random_slopes(lower, width, shape, dtype, seed):
    """Below 0 each element has a slope of its own within the limits, which is its gradient."""
    for s in inputs(seed):
        x = np.random.default_rng(s).normal(0, 2, shape).astype(jnp.dtype(dtype))
        layer = jaxact.linen.RReLU(lower, lower + width, deterministic=False)
        keys = {"dropout": jax.random.key(s)}
        y, pull = jax.vjp(functools.partial(layer.apply, {}, rngs=keys), x)
        (slope,) = pull(jnp.ones_like(y))
        chex.assert_shape([y, slope], shape)
        chex.assert_type([y, slope], jnp.dtype(dtype))
        y, slope, wide = (np.asarray(v).astype(np.float64) for v in (y, slope, x))
        room = 2 * float(ml_dtypes.finfo(x.dtype).eps)
        np.testing.assert_allclose(y, np.where(wide > 0, wide, slope * wide), rtol=room, atol=room)
        assert np.all(slope[wide > 0] == 1)
        assert np.all((slope[wide < 0] >= lower - room) & (slope[wide < 0] <= lower + width + room))


KINDS = (jax.sharding.AxisType.Auto, jax.sharding.AxisType.Explicit)


@functools.cache
def _mesh(kind: Any) -> jax.sharding.Mesh:
    return jax.make_mesh((4, 2), ("a", "b"), axis_types=(kind,) * 2)


@share("sharded")
@given(
    function=st.sampled_from([*CASES[::5], *ROWS, "swiglu", "geglu"]),
    spec=st.sampled_from((("a", None), (None, "b"), ("b", "a"), (("a", "b"), None))),
    kind=st.sampled_from(KINDS),
    seed=seeds,
)
@example(function="softmax", spec=(None, "b"), kind=KINDS[0], seed=0)
@example(function=Case("xielu", {}), spec=("a", None), kind=KINDS[1], seed=0)
@example(function="log_softmax", spec=(None, "b"), kind=KINDS[0], seed=1565777)
def test_sharded_is_unsharded(function, spec, kind, seed):
    if len(jax.devices()) < 8:
        pytest.skip("fewer than eight devices")
    run = function if not isinstance(function, str) else getattr(jaxact, function)

    @jax.jit
    def everything(x: Any, ct: Any) -> Any:
        y, pull = jax.vjp(run, x)
        return y, pull(ct)[0]

    place = jax.NamedSharding(_mesh(kind), jax.P(*spec))
    for s in inputs(seed):
        rng = np.random.default_rng(s)
        x = rng.normal(0, 2, (8, 16)).astype(np.float32)
        ct = rng.normal(size=jax.eval_shape(run, x).shape).astype(np.float32)
        y, gradient = (np.asarray(v) for v in everything(x, ct))
        with jax.set_mesh(_mesh(kind)) if kind is KINDS[1] else contextlib.nullcontext():
            sharded = everything(*jax.device_put((x, ct), place))
        # along rows a mean is taken from the cotangent, which may be all but the same
        cancels: Any = 0.05 if function in ROWS else 1e-3
        equal(np.asarray(sharded[0]), y, 64, cancels)
        if function == "log_softmax":  # ct - softmax(x) sum(ct): the sum is rounded to that of the absolute values
            cancels = cancels + np.exp(y) * np.abs(ct).sum(-1, keepdims=True) / 8
        equal(np.asarray(sharded[1]), gradient, 64, cancels)


def test_the_properties_can_fail():
    """A wrong derivative and a lost NaN are seen by what the properties compare."""
    x = points(CASES[0])
    with pytest.raises(AssertionError):
        close(x * 1.001, x)
    with pytest.raises(AssertionError):
        equal(jnp.nan_to_num(jnp.asarray([jnp.nan])), jnp.asarray([jnp.nan]))
