"""Wrong calls: the error's type, the words that tell what to do, and that nothing was compiled or left behind."""

import functools
import inspect
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bad_input import ROWS, call

import jaxact
from jaxact import cli
from jaxact._src import catalogue, select

COMPILED: list[str] = []


@jax.monitoring.register_event_duration_secs_listener
def _(event, *_, **__):
    if "backend_compile" in event:
        COMPILED.append(event)


def state():
    """What a refused call must leave as it was."""
    return list(catalogue._by_name.items()), list(catalogue._activations), select.requested()


@pytest.fixture
def unchanged():
    before = state()
    COMPILED.clear()
    yield
    assert COMPILED == [], "it reached XLA"
    assert state() == before


def test_the_guard_sees_compilation():
    COMPILED.clear()
    jax.jit(lambda x: x * 3 + 0.125)(jnp.ones(5))
    assert COMPILED


def test_the_table():
    calls = [c for c, *_ in ROWS]
    assert len(set(calls)) == len(calls) > 600
    assert all(len(words) > 1 and all(words) for _, _, *words in ROWS), "what was received, and what to do"
    missing = {n for n in jaxact.__all__ if not any(f"jaxact.{n}" in c for c in calls)}
    covered = {n for n in missing if getattr(jaxact, n) in FUNCTIONS}  # below
    assert missing - covered == {"Limit", "Nonnegative", "Positive", "Real"}, "annotations are not called"


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("row", ROWS, ids=[c[:80] for c, *_ in ROWS])
def test_error(row):
    text, error, *words = row
    with pytest.raises(error) as caught:
        call(text)
    said = str(caught.value)
    assert [w for w in words if w not in said] == []
    assert len(said) < 900


# -- what every function of an array says of what is none ---------------------------------------------------------

FUNCTIONS = [
    f for n in jaxact.__all__ if callable(f := getattr(jaxact, n)) and "x" in inspect.signature(f).parameters
]
# What they need beside x.
NEEDS = {
    "threshold": (0.1, 20.0),
    "softcap": (30.0,),
    "prelu": (0.25,),
    "prelu_channelwise": (0.25,),
    "gated": ("relu",),
    "fused": ("relu",),
    "act_quant": ("relu",),
    "maxout": (2,),
    "gumbel_softmax": (jax.random.key(0),),
    "meta_acon": tuple(np.ones(s, np.float32) for s in ((2, 3), (3,), (3, 2), (2,))),
}
NO_ARRAYS = {
    "complex": jnp.asarray(np.ones(2, np.complex64)),
    "strings": np.array(["a", "b"]),
    "objects": np.array([1.0, None]),
    "dates": np.zeros(2, "datetime64[s]"),
    "key": jax.random.key(1),
    "string": "1",
    "bytes": b"1",
    "None": None,
    "dictionary": {"x": 1.0},
    "set": {1.0},
    "function": print,
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_what_is_no_real_array(function):
    for x in NO_ARRAYS.values():
        with pytest.raises(TypeError, match=r"takes (real input, got dtype|an array or a number, got)"):
            function(x, *NEEDS.get(function.__name__, ()))


# -- what the table cannot say ------------------------------------------------------------------------------------


def local(x):
    return x


def test_a_refused_definition_leaves_no_trace():
    before = state()
    for words, options in (("operand", {}), ("strings", {"aliases": ("fine", 3)}), ("order", {"ordered": ("a",)})):
        code = local.__code__.replace(co_varnames=("y" if words == "operand" else "x",))
        with pytest.raises(TypeError, match=words):
            jaxact.elementwise(**options)(types.FunctionType(code, {}, "broken"))
    assert state() == before


def test_registering_a_name_again_warns_and_replaces():
    from support import forget

    def twin(x):
        return x

    first = jaxact.elementwise(twin)
    with pytest.warns(UserWarning, match="'twin' replaces"):
        second = jaxact.elementwise(twin)
    try:
        assert jaxact.get("twin") is second is not first
    finally:
        forget(second)


@pytest.fixture
def unread(monkeypatch):
    """An environment that asks for what is not known, before it is read."""
    monkeypatch.setenv("JAXACT_IMPLEMENTATION", "cuda")
    select._from_environment.cache_clear()
    yield
    select._from_environment.cache_clear()


@pytest.mark.parametrize(
    "call",
    [
        jaxact.relu,
        jaxact.softmax,
        jaxact.swiglu,
        functools.partial(jaxact.act_quant, activation="relu", dtype="int8"),
    ],
)
def test_environment_variable(unread, call):
    with pytest.raises(ValueError, match="JAXACT_IMPLEMENTATION must be unset or one of"):
        call(jnp.ones((2, 4)))
    with jaxact.use(implementation=None):  # says it itself
        call(jnp.ones((2, 4)))


@pytest.mark.parametrize("command", [["list"], ["doctor"], ["bench", "gelu"]])
def test_environment_variable_of_the_command(unread, command, capsys):
    assert cli.main(command) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("jaxact: JAXACT_IMPLEMENTATION must be unset or one of")
    assert err.count("\n") == 1
