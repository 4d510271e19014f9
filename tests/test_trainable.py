"""The layers with trained parameters, in Linen and in NNX: their functions, with parameters laid along axes."""

import functools
import inspect
import pickle

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from modules import FRAMEWORKS, KEY, call, make, trace

import jaxact.linen
import jaxact.nnx

X = np.linspace(-3, 3, 24, dtype=np.float32).reshape(2, 3, 4)

# layer -> its function, and its parameters in order
LAYERS = {
    "PReLU": ("prelu", ["negative_slope"]),
    "SReLU": ("srelu", ["t_left", "a_left", "t_right", "a_right"]),
    "StarReLU": ("star_relu", ["scale", "bias"]),
    "PELU": ("pelu", ["a", "b"]),
    "SwishBeta": ("swish_beta", ["beta"]),
    "DyT": ("dyt", ["alpha", "weight", "bias"]),
    "AconC": ("acon_c", ["p1", "p2", "beta"]),
    "Snake": ("snake", ["alpha"]),
    "SnakeBeta": ("snake_beta", ["alpha", "beta"]),
    "Dice": ("dice", ["alpha"]),
    "XIELU": ("xielu", ["alpha_p", "alpha_n"]),
    "Rational": ("rational", ["numerator", "denominator"]),
    "PolyNorm": ("poly_norm", ["weight", "bias"]),
}
STORED = {  # otherwise than the function takes them
    ("XIELU", "alpha_p"): lambda v: np.log(np.expm1(v)),
    ("XIELU", "alpha_n"): lambda v: np.log(np.expm1(v - 0.5)),
}


def at_least(lowest):
    """max(v, lowest) with the slope 1 below it too."""
    return lambda v: jnp.where(v < lowest, lowest + (v - jax.lax.stop_gradient(v)), v)


EFFECTIVE = {
    **{("PELU", n): at_least(0.1) for n in ("a", "b")},
    **{(snake, "alpha"): at_least(1e-9) for snake in ("Snake", "SnakeBeta")},
    ("SnakeBeta", "beta"): at_least(1e-9),
    ("XIELU", "alpha_p"): jaxact.softplus,
    ("XIELU", "alpha_n"): lambda v: jaxact.softplus(v) + 0.5,
}
CHANGED = {name for name, _ in EFFECTIVE} | {"SReLU"}  # what their functions are given is not what is stored
SCALARS = {("DyT", "alpha"), ("PolyNorm", "weight")}  # one for all channels, as in the papers
OWN = {("Rational", "numerator"): (6,), ("Rational", "denominator"): (4,), ("PolyNorm", "weight"): (3,)}
REQUIRED = {  # where the function has no number
    ("prelu", "negative_slope"): 0.01,  # Flax's
    ("rational", "numerator"): [p.default for p in list(jaxact.pade.definition.parameters.values())[:6]],
    ("rational", "denominator"): [p.default for p in list(jaxact.pade.definition.parameters.values())[6:]],
}


def shape_of(name, weight, shape):
    return (() if (name, weight) in SCALARS else shape) + OWN.get((name, weight), ())


# options, the shape of x, the shape of a parameter, and its shape against x
SHAPES = [
    ({}, (5,), (), ()),
    ({}, (2, 3, 4), (), ()),
    ({"num_parameters": 5}, (5,), (5,), (5,)),
    ({"num_parameters": 4}, (2, 3, 4), (4,), (4,)),
    ({"num_parameters": 3, "axis": 1}, (2, 3, 4), (3,), (3, 1)),
    ({"num_parameters": 2, "axis": 0}, (2, 3, 4), (2,), (2, 1, 1)),
    ({"num_parameters": 3, "axis": -2}, (2, 3, 4), (3,), (3, 1)),
    ({"num_parameters": 3, "axis": -3}, (1, 3, 4, 4), (3,), (3, 1, 1)),
    ({"num_parameters": 1, "axis": 1}, (2, 1, 4), (), ()),
    ({"num_parameters": 4, "shared_axes": 1}, (2, 3, 4), (1, 4), (1, 4)),
    ({"num_parameters": 3, "shared_axes": [-1]}, (2, 3, 4), (3, 1), (3, 1)),
    ({"num_parameters": (3, 4), "shared_axes": ()}, (2, 3, 4), (3, 4), (3, 4)),
    ({"num_parameters": (3, 5, 4), "shared_axes": (1, 2)}, (2, 3, 5, 4), (1, 1, 4), (1, 1, 4)),
]

both = pytest.mark.parametrize("framework", FRAMEWORKS)
every = pytest.mark.parametrize("name", LAYERS)
every_other = pytest.mark.parametrize("name", [n for n in LAYERS if n != "Dice"])  # whose statistics see below


def parameters_of(framework, layer, x=X):
    if framework == "linen":
        return nn.meta.unbox(layer.init(KEY, x, **running(layer))["params"])
    return {n: v[...] for n, v in nnx.state(layer, nnx.Param).items()}


def running(layer):
    return {"use_running_average": False} if type(layer).__name__ == "Dice" else {}


def per_channel(name, framework="nnx", **options):
    return make(framework, name, num_parameters=4, **options)


def stand_in_for(name):
    """A function that tells parameters apart, and that takes no time to trace."""

    def function(x, implementation=None, **parameters):
        for n, weight in enumerate(LAYERS[name][1]):
            value = parameters[weight]
            x = (n + 2) * x + (value[..., -1] if (name, weight) in OWN else value).astype(x.dtype)
        return x

    return function


@pytest.fixture
def stand_ins(monkeypatch):
    """They take the place of the layers' own functions."""
    for framework in FRAMEWORKS:
        for name in LAYERS:
            cls = getattr(getattr(jaxact, framework), name)
            monkeypatch.setattr(cls, "function", staticmethod(stand_in_for(name)))


def laid(name, values, shape):
    """Parameters as a function takes them, of this shape where they belong to channels."""
    found = {}
    for w in LAYERS[name][1]:
        value = EFFECTIVE.get((name, w), lambda v: v)(values[w])
        own = shape_of(name, w, shape)
        found[w] = value if value.shape == own else value.reshape(own)
    if name == "SReLU":
        found["t_right"] = at_least(found["t_left"])(found["t_right"])
    return found


@pytest.mark.usefixtures("stand_ins")
@every
def test_parameters_start_where_the_function_does(name):
    function, weights = LAYERS[name]
    theirs = inspect.signature(getattr(jaxact, function)).parameters
    for framework in FRAMEWORKS:
        found = parameters_of(framework, per_channel(name, framework))
        assert set(found) == set(weights)
        for weight, value in found.items():
            start = REQUIRED.get((function, weight), theirs[weight].default)
            assert value.shape == shape_of(name, weight, (4,))
            start = STORED.get((name, weight), lambda v: v)(start)
            np.testing.assert_allclose(value, np.broadcast_to(start, value.shape), rtol=1e-6)


@pytest.mark.usefixtures("stand_ins")
@every_other
@pytest.mark.parametrize(("options", "x", "shape", "fitted"), SHAPES, ids=[f"{s[0]}-{s[1]}" for s in SHAPES])
def test_parameters_are_laid_along_any_axis(name, options, x, shape, fitted):
    shapes = {w: shape_of(name, w, shape) for w in LAYERS[name][1]}
    for framework in FRAMEWORKS:
        found = parameters_of(framework, make(framework, name, **options), jnp.zeros(x))
        assert {w: v.shape for w, v in found.items()} == shapes
    layers = [call(framework, name, **options) for framework in FRAMEWORKS]
    values = {w: jnp.zeros(s) for w, s in shapes.items()}

    def expected(x, values):
        return stand_in_for(name)(x, **laid(name, values, fitted))

    assert len({trace(f, jnp.zeros(x), values) for f in (expected, *layers)}) == 1


@every_other
def test_layers_are_their_functions(name):
    options, shape = {"num_parameters": 3, "axis": 1}, (3,)
    values = {w: jnp.zeros(shape_of(name, w, shape)) for w in LAYERS[name][1]}
    layers = [call(framework, name, **options) for framework in FRAMEWORKS]

    def expected(x, values):
        return getattr(jaxact, LAYERS[name][0])(x, **laid(name, values, (3, 1)))

    assert len({trace(f, X, values) for f in (expected, *layers)}) == 1


@pytest.mark.usefixtures("stand_ins")
def test_linen_takes_the_number_of_channels_from_its_input():
    for axis, size in ((-1, 4), (0, 2), (1, 3)):
        layer = make("linen", "SReLU", num_parameters=None, axis=axis)
        assert {v.shape for v in parameters_of("linen", layer).values()} == {(size,)}
    layer = make("linen", "AconC", shared_axes=1)
    assert {v.shape for v in parameters_of("linen", layer).values()} == {(1, 4)}


@pytest.mark.usefixtures("stand_ins")
@both
@every_other
@pytest.mark.parametrize(
    ("given", "dtype", "param_dtype"),
    [
        (jnp.float32, None, jnp.float32),
        (jnp.bfloat16, None, jnp.float32),
        (jnp.float32, jnp.float16, jnp.bfloat16),
    ],
)
def test_the_output_has_the_inputs_dtype_and_a_gradient_its_parameters(framework, name, given, dtype, param_dtype):
    options = {"num_parameters": 4, "dtype": dtype, "param_dtype": param_dtype}
    parameters = parameters_of(framework, make(framework, name, **options))
    assert {v.dtype for v in parameters.values()} == {jnp.dtype(param_dtype)}
    layer = call(framework, name, **options)
    y = jax.eval_shape(layer, jnp.asarray(X, given), parameters)
    assert (y.shape, y.dtype) == (X.shape, dtype or given)
    gradient = jax.eval_shape(jax.grad(lambda p: layer(jnp.asarray(X, given), p).sum()), parameters)
    for weight, value in parameters.items():
        assert (gradient[weight].shape, gradient[weight].dtype) == (value.shape, value.dtype)


@pytest.mark.usefixtures("stand_ins")
@both
@every
def test_initialisers_and_metadata(framework, name):
    _, weights = LAYERS[name]

    def first(key, shape, dtype):
        return 0.6 + nn.initializers.uniform(1.0)(key, shape, dtype)

    if framework == "linen":
        box = nn.with_partitioning(first, ("model",))
        inits = {f"{w}_init": first if (name, w) in SCALARS else box for w in weights}
        layer = make("linen", name, num_parameters=64, **inits)
        x = X.repeat(16, -1)
        params = layer.init(KEY, x, **running(layer))["params"]
        names = {w: getattr(v, "names", None) for w, v in params.items()}
        assert names == {w: None if (name, w) in SCALARS else ("model",) for w in weights}
        found = parameters_of("linen", layer, x)
    else:
        options = {f"{w}_init": first for w in weights} | {f"{w}_metadata": {"note": w} for w in weights}
        layer = make("nnx", name, num_parameters=64, rngs=nnx.Rngs(0), **options)
        assert {w: getattr(layer, w).get_metadata("note") for w in weights} == {w: w for w in weights}
        found = parameters_of("nnx", layer)
    for weight, value in found.items():
        assert (name, weight) in SCALARS or float(jnp.std(value)) > 0.1
    assert len({float(v.ravel()[0]) for v in found.values()}) == len(weights), (
        "each is drawn with a key of its own"
    )


@every
def test_what_all_of_them_refuse(name):
    weight = LAYERS[name][1][0]
    for framework in FRAMEWORKS:
        with pytest.raises(ValueError, match=f"{name} takes axis or shared_axes, not both"):
            make(framework, name, num_parameters=4, axis=1, shared_axes=(1,))
        with pytest.raises(
            TypeError, match=f"{name}: {weight}_init must be (a number|. numbers) or an initialiser"
        ):
            make(framework, name, num_parameters=4, **{f"{weight}_init": np.zeros(4)})
        with pytest.raises(ValueError, match="implementation must be None or one of"):
            make(framework, name, num_parameters=4, implementation="cuda")
        with pytest.raises(TypeError, match=f"{name}: num_parameters must be integers, got 4.0"):
            make(framework, name, num_parameters=4.0)
    with pytest.raises(ValueError, match=f"{name}: an initialiser needs rngs, got {weight}_init without"):
        make("nnx", name, num_parameters=4, **{f"{weight}_init": nn.initializers.ones})
    with pytest.raises(ValueError, match=rf"{name}: \w+ \(5,\) does not fit x \(2, 3, 4\) at axis -1, of size 4"):
        make("nnx", name, num_parameters=5)(X)


@both
@every
def test_they_pickle_and_share_one_graph(framework, name):
    layer = per_channel(name, framework)
    again = pickle.loads(pickle.dumps(layer))
    if framework == "linen":
        assert again == layer
        assert hash(again) == hash(layer.clone())
        return
    other = per_channel(name, **{f"{LAYERS[name][1][0]}_init": 0.5})
    assert nnx.split(layer)[0] == nnx.split(again)[0] == nnx.split(other)[0]
    assert [p for p, _ in nnx.to_flat_state(nnx.state(layer, nnx.Param))] == [
        (w,) for w in sorted(LAYERS[name][1])
    ]


@both
@every_other
def test_the_implementation_is_the_functions(framework, name):
    parameters = parameters_of("nnx", per_channel(name))
    implementations = ("reference", "inline")
    layers = [call(framework, name, num_parameters=4, implementation=i) for i in implementations]
    function = getattr(jaxact, LAYERS[name][0])
    for layer, implementation in zip(layers, implementations):
        if name not in CHANGED:
            own = functools.partial(function, implementation=implementation)
            assert trace(layer, X, parameters) == trace(lambda x, p, own=own: own(x, **p), X, parameters)
    assert trace(layers[0], X, parameters) != trace(layers[1], X, parameters)


@every
def test_docstrings_state_what_users_ask(name):
    for framework in FRAMEWORKS:
        text = getattr(getattr(jaxact, framework), name).__doc__
        arguments = text.partition("Args:")[2].partition("Raises:")[0]
        own = [f"{w}_init" for w in LAYERS[name][1]]
        own += [f"{w}_metadata" for w in LAYERS[name][1]] + ["rngs"] if framework == "nnx" else []
        for argument in (*own, "num_parameters", "axis", "shared_axes", "dtype", "param_dtype", "implementation"):
            assert f"\n  {argument}: " in f"\n{arguments}", argument
        for section in ("Formula:", "Shapes:", "Dtypes:", "Raises:", "Source:"):
            assert section in text


# -- dice: running statistics ------------------------------------------------------------------------------------


def dice(x, alpha, mean, var, eps=1e-8):
    p = 1 / (1 + np.exp(-(x - mean) / np.sqrt(var + eps)))
    return x * (p + alpha * (1 - p))


@pytest.mark.parametrize(
    ("options", "along"),
    [
        ({"num_parameters": 4}, (0, 1)),
        ({"num_parameters": 3, "axis": 1}, (0, 2)),
        ({"num_parameters": 1}, (0, 1, 2)),
        ({"num_parameters": (3, 4), "shared_axes": (1,)}, (0, 1)),
        ({"num_parameters": (3, 4), "shared_axes": ()}, (0,)),
    ],
    ids=str,
)
def test_dice_takes_the_statistics_of_what_shares_an_alpha(options, along):
    x = np.asarray(jax.random.normal(KEY, X.shape)) * 2 + 1
    mean, var = x.mean(along, keepdims=True), x.var(along, keepdims=True)
    layer, other = (make(f, "Dice", alpha_init=0.25, momentum=0.75, **options) for f in FRAMEWORKS)
    variables = layer.init(KEY, x, use_running_average=False)
    y, updates = layer.apply(variables, x, use_running_average=False, mutable="batch_stats")
    np.testing.assert_allclose(y, dice(x, 0.25, mean, var), rtol=2e-6, atol=1e-6)
    np.testing.assert_allclose(other(x), y, rtol=1e-6, atol=1e-7)
    running = {"mean": 0.25 * mean, "var": 0.75 + 0.25 * var}
    for name, expected in running.items():
        found = updates["batch_stats"][name]
        np.testing.assert_allclose(found.ravel(), expected.ravel(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(getattr(other, name)[...], found, rtol=1e-6)
    expected = dice(x, 0.25, running["mean"], running["var"])
    z = layer.apply({"params": variables["params"], **updates}, x, use_running_average=True)
    np.testing.assert_allclose(z, expected, rtol=2e-6, atol=1e-6)
    other.eval()
    np.testing.assert_allclose(other(x), z, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(other(x, use_running_average=True), other(x))


def test_dice_averages_over_a_mapped_axis():
    x = jax.random.normal(KEY, (8, 5, 4))
    whole = make("nnx", "Dice", num_parameters=4)(x.reshape(40, 4)).reshape(x.shape)
    layer = make("linen", "Dice", axis_name="devices", use_running_average=False)
    variables = make("linen", "Dice").init(KEY, x[0], use_running_average=False)
    run = jax.vmap(lambda x: layer.apply(variables, x, mutable="batch_stats")[0], axis_name="devices")
    np.testing.assert_allclose(run(x), whole, rtol=1e-5, atol=1e-6)


def test_what_dice_refuses():
    for framework in FRAMEWORKS:
        with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got 1.5"):
            make(framework, "Dice", num_parameters=4, momentum=1.5)
    with pytest.raises(ValueError, match="Dice: NNX makes parameters before it sees an input"):
        make("nnx", "Dice")


def test_dice_in_half_precision_keeps_statistics_in_float32():
    layer = make("nnx", "Dice", num_parameters=4, momentum=0.0)
    x = jnp.asarray(X * 100, jnp.float16)
    assert layer(x).dtype == jnp.float16
    np.testing.assert_allclose(layer.var[...], np.var(np.asarray(x, np.float32), (0, 1)), rtol=1e-6)


# -- meta_acon: two dense layers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axis"), [((2, 5), -1), ((2, 3, 5), 2), ((2, 5, 3), 1), ((1, 5, 2, 2), -3)], ids=str
)
def test_meta_acon_is_its_function(shape, axis):
    weights = ["w1", "b1", "w2", "b2", "p1", "p2"]
    options = {"num_parameters": 5, "axis": axis, "hidden": 3}
    inferred = parameters_of("linen", make("linen", "MetaAcon", axis=axis, hidden=3), jnp.zeros(shape))
    own = parameters_of("nnx", make("nnx", "MetaAcon", rngs=nnx.Rngs(0), **options))
    shapes = {"w1": (5, 3), "b1": (3,), "w2": (3, 5), "b2": (5,), "p1": (5,), "p2": (5,)}
    for found in (inferred, own):
        assert {n: v.shape for n, v in found.items()} == shapes
        assert float(jnp.std(found["w1"])) > 0.1

    def expected(x, values):
        return jaxact.meta_acon(x, *(values[w] for w in weights), axis=axis)

    layers = [call(f, "MetaAcon", **options, **({"rngs": nnx.Rngs(0)} if f == "nnx" else {})) for f in FRAMEWORKS]
    assert len({trace(f, jnp.zeros(shape), own) for f in (expected, *layers)}) == 1


def test_what_meta_acon_refuses():
    more = {"rngs": nnx.Rngs(0)}
    assert make("nnx", "MetaAcon", num_parameters=512, **more).w1.shape == (512, 32)
    for options, message in (
        ({"num_parameters": 4, "shared_axes": 1}, "MetaAcon takes axis only"),
        ({"num_parameters": 4, "hidden": 0}, "hidden must be at least 1"),
        ({}, "num_parameters must be given"),
    ):
        with pytest.raises(ValueError, match=message):
            make("nnx", "MetaAcon", **options, **more)


# -- xielu: stored through the inverse of softplus ---------------------------------------------------------------


@both
def test_xielu_stores_what_hugging_face_does(framework):
    options = {"alpha_p_init": 0.3, "alpha_n_init": 1.7, "beta": 0.25, "eps": -1e-3}
    layer = make(framework, "XIELU", num_parameters=3, axis=1, **options)
    found = parameters_of(framework, layer)
    np.testing.assert_allclose(found["alpha_p"], np.full(3, np.log(np.expm1(0.3))), rtol=1e-6)
    np.testing.assert_allclose(found["alpha_n"], np.full(3, np.log(np.expm1(1.7 - 0.25))), rtol=1e-6)
    given = {"alpha_p": jnp.array([-1.0, 0.5, 2.0]), "alpha_n": jnp.array([0.3, -2.0, 1.0])}
    y = call(framework, "XIELU", num_parameters=3, axis=1, **options)(X, given)
    effective = {n: np.log1p(np.exp(np.asarray(v, np.float64)))[:, None] for n, v in given.items()}
    effective["alpha_n"] += 0.25
    left = (np.expm1(np.minimum(X, -1e-3)) - X) * effective["alpha_n"] + 0.25 * X
    np.testing.assert_allclose(y, np.where(X > 0, effective["alpha_p"] * X * X + 0.25 * X, left), rtol=1e-5)


@pytest.mark.parametrize("param_dtype", [jnp.float32, jnp.bfloat16])
def test_xielu_survives_its_box_and_extreme_values(param_dtype):
    box = nn.with_partitioning(nn.initializers.constant(0.8), ("model",))
    layer = make("linen", "XIELU", num_parameters=None, alpha_n_init=box, param_dtype=param_dtype)
    value = layer.init(KEY, X)["params"]["alpha_n"]
    assert value.names == ("model",)
    np.testing.assert_allclose(np.float32(value.value), np.log(np.expm1(0.3)), rtol=1e-2)
    mesh = jax.make_mesh((4,), ("model",), axis_types=(jax.sharding.AxisType.Auto,), devices=jax.devices()[:4])
    init = nnx.with_partitioning(nn.initializers.constant(100.0), ("model",))
    with jax.set_mesh(mesh):
        other = make(
            "nnx", "XIELU", num_parameters=4, alpha_p_init=init, rngs=nnx.Rngs(0), param_dtype=param_dtype
        )
    assert other.alpha_p.get_metadata("out_sharding") == ("model",)
    np.testing.assert_array_equal(np.float32(other.alpha_p[...]), np.full(4, 100, np.float32))


@both
def test_what_xielu_refuses(framework):
    for options, message in (
        ({"alpha_p_init": 0.0}, "alpha_p_init must be above 0"),
        ({"beta": 0.8}, "above 0.8"),
    ):
        with pytest.raises(ValueError, match=message):
            make(framework, "XIELU", **options)


# -- pelu and the snakes: never below what the papers' code divides by -------------------------------------------


@both
@pytest.mark.parametrize(
    ("name", "weight", "lowest"), [("PELU", "b", 0.1), ("Snake", "alpha", 1e-9), ("SnakeBeta", "beta", 1e-9)]
)
def test_training_below_the_lowest_value_counts_as_it_and_comes_back(framework, name, weight, lowest):
    layer = call(framework, name)
    given = {n: jnp.ones(()) for n in LAYERS[name][1]}
    at_the_lowest = layer(X, {**given, weight: jnp.asarray(lowest)})
    assert np.all(np.isfinite(at_the_lowest))
    slope = jax.grad(lambda value: layer(X, {**given, weight: value}).mean())
    for below in (0.0, -3.0):
        np.testing.assert_array_equal(layer(X, {**given, weight: jnp.asarray(below)}), at_the_lowest)
        assert slope(jnp.asarray(below)) == slope(jnp.asarray(lowest)) != 0


@both
def test_they_work_under_jit(framework):
    expected = jaxact.srelu(X, a_left=0.3)
    if framework == "nnx":
        y = nnx.jit(lambda m, x: m(x))(make("nnx", "SReLU", a_left_init=0.3), X)
    else:
        layer = make("linen", "SReLU", a_left_init=0.3)
        y = jax.jit(functools.partial(layer.apply, layer.init(KEY, X)))(X)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.usefixtures("stand_ins")
def test_flaxs_own_tools_take_them():
    layer = make("linen", "SReLU", num_parameters=4)
    for lift in (nn.remat, nn.jit):
        lifted = lift(jaxact.linen.SReLU)(num_parameters=4)
        variables = lifted.init(KEY, X)
        np.testing.assert_allclose(lifted.apply(variables, X), layer.apply(variables, X), rtol=1e-6)
    assert "a_left" in nn.tabulate(layer, KEY)(X)
    stacked = nn.vmap(jaxact.linen.SReLU, variable_axes={"params": 0}, split_rngs={"params": True})(
        num_parameters=4
    )
    assert stacked.init(KEY, X)["params"]["a_left"].shape == (2, 4)
    module = make("nnx", "SReLU", num_parameters=4)
    np.testing.assert_allclose(nnx.remat(lambda m, x: m(x))(module, X), module(X), rtol=1e-6)
    abstract = nnx.eval_shape(lambda: make("nnx", "SReLU", num_parameters=4))
    assert abstract.a_left.shape == (4,)
    assert "a_left" in repr(module)
