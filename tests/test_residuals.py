"""What the backward pass keeps: one array the size of x or none, and f' is not evaluated in the forward."""

import jax
import jax.numpy as jnp
import pytest
from cases import CASES
from support import KINDS, PROBES, SOME, close, exact, points, primitives, some, with_parameters

from jaxact import identity

TABLE = [*CASES, *PROBES]
SAVING_OUTPUT = [c for c in CASES if c.definition.has_output_derivative]
DTYPES = [jnp.float32, jnp.bfloat16]


def kept(pullback) -> dict[int, int]:
    """The bytes of each distinct buffer that a pullback holds."""
    arrays = [v for v in jax.tree.leaves(pullback) if isinstance(v, jax.Array)]
    return {v.unsafe_buffer_pointer(): v.nbytes for v in arrays}


def bytes_kept(pullback) -> int:
    return sum(kept(pullback).values())


def saves_output(case) -> bool:
    """Whether the record says that the output is what is kept."""
    defaults = {n: p.default for n, p in case.definition.parameters.items()}
    return case.definition.output_determines_derivative({**defaults, **case.params})


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "bf16"])
@pytest.mark.parametrize("case", KINDS, ids=str)
def test_at_most_one_array(case, dtype):
    x = points(case).astype(dtype)
    y, pull = jax.vjp(case, x)
    assert bytes_kept(pull) <= x.nbytes
    if saves_output(case):
        assert set(kept(pull)) <= {y.unsafe_buffer_pointer()}, "the output itself, which the next layer keeps"
    else:
        assert set(kept(pull)) <= {x.unsafe_buffer_pointer()}, "the input itself"


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_under_jit_and_in_a_scan(case):
    x = points(case)

    def twelve(v):
        return jax.lax.scan(lambda c, _: (case(c), None), v, length=12)[0]

    for function, times in ((case, 1), (twelve, 12)):  # what a jitted forward would return for the backward
        _, pull = jax.eval_shape(jax.jit(lambda v, f=function: jax.vjp(f, v)), x)
        assert sum(v.size * v.dtype.itemsize for v in jax.tree.leaves(pull)) <= times * x.nbytes


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "bf16"])
@pytest.mark.parametrize("case", TABLE, ids=str)
def test_between_matmuls(case, dtype):
    """The matmuls keep w, x and the activated; the activation adds the hidden, or nothing if it keeps y."""
    w, x = some((16, 16)).astype(dtype), points(case, (16, 3)).astype(dtype)

    @jax.jit
    def layer(w, x):
        return jax.vjp(lambda w, x: w @ case(w @ x), w, x)

    _, pull = jax.eval_shape(layer, w, x)
    found = sorted(v.size * v.dtype.itemsize for v in jax.tree.leaves(pull))
    hidden = x.nbytes
    assert sum(found) <= w.nbytes + x.nbytes + hidden + (0 if saves_output(case) else hidden)


@pytest.mark.parametrize("case", TABLE, ids=str)
def test_the_derivative_runs_in_the_backward_only(case):
    x = points(case)
    if case.definition.facts.passes:
        assert primitives(lambda v: jax.vjp(case, v)[1](v), x) == []
        return
    assert primitives(lambda v: jax.vjp(case, v), x) == ["activation"]
    assert primitives(lambda v: jax.linearize(case, v)[0], x) == ["activation"]
    assert primitives(lambda v: jax.vjp(case, v)[1](v), x) == ["activation", "activation_linear"]


def test_the_identity_hands_on_what_it_is_given():
    traced = jax.make_jaxpr(lambda v: jax.vjp(identity, v))(some()).jaxpr
    assert traced.outvars == traced.invars, "the value is x itself, and the pullback keeps nothing"


@pytest.mark.parametrize("case", SAVING_OUTPUT, ids=str)
def test_a_chosen_residual(case):
    x = points(case)
    y, pull = jax.vjp(lambda v: case(v, residual="output"), x)
    assert set(kept(pull)) <= {y.unsafe_buffer_pointer()}
    if any(case.params.get(p, 0) < 0 for p in ("negative_slope", "alpha")):
        with pytest.raises(ValueError, match=">= 0, or y does not tell x"):
            pull(some())
        return
    close(pull(some())[0], exact(case, x, 1) * some(), 2.0**12)  # what is lost in tails has its own page
    _, pull = jax.vjp(lambda v: case(v, residual="input"), x)
    assert set(kept(pull)) <= {x.unsafe_buffer_pointer()}


@pytest.mark.parametrize("case", with_parameters(SOME), ids=str)
def test_parameters_add_only_themselves(case):
    x = points(case)
    rows = [jnp.full((6,), v, jnp.float32) for v in case.values()]
    _, pull = jax.vjp(case.with_parameters, x, *rows)
    assert bytes_kept(pull) <= x.nbytes + sum(r.nbytes for r in rows)
