"""What the files for transformations share: points, exact results, closeness, a probe, and walks over jaxprs."""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
from cases import CASES, DEFAULTS, Case
from oracle import ORACLE, Oracle

import jaxact
from jaxact._src import catalogue

# -- a probe: smooth, with two parameters, and every derivative known in float64 ----------------------------------


@jaxact.elementwise(name="test wave")
def wave(x, depth=0.5, rate=1.25):
    return x + depth * jnp.sin(rate * x)


def forget(activation: Any) -> None:
    """Take a test's activation out of the catalogue, which other tests walk."""
    for name in catalogue.names_of(activation):
        catalogue._by_name.pop(catalogue.fold(name), None)
    catalogue._activations.pop(activation.__name__, None)


@contextlib.contextmanager
def forgetting() -> Iterator[None]:
    """Forget what is registered inside."""
    before = set(catalogue.activations())
    try:
        yield
    finally:
        for name, activation in catalogue.activations().items():
            if name not in before:
                forget(activation)


forget(wave)

WAVE = Oracle(
    "wave",
    value=lambda x, depth=0.5, rate=1.25: x + depth * np.sin(rate * x),
    first=lambda x, depth=0.5, rate=1.25: 1 + depth * rate * np.cos(rate * x),
    second=lambda x, depth=0.5, rate=1.25: -depth * rate**2 * np.sin(rate * x),
    parameters={
        "depth": lambda x, depth=0.5, rate=1.25: np.sin(rate * x),
        "rate": lambda x, depth=0.5, rate=1.25: depth * x * np.cos(rate * x),
    },
    kinks=lambda **params: (),
)


class Probe(Case):
    """The wave as a row of the case table."""

    @property
    def activation(self) -> Any:
        return wave


PROBES = [Probe("wave", {}), Probe("wave", {"depth": 0.3, "rate": -0.75})]


def _kind(case: Case) -> tuple[Any, ...]:
    """What the engine can tell apart: how bodies are handed over, what is saved, what is written by hand."""
    d = case.definition
    orders = frozenset(len(key) for key in d.handwritten())
    saves_output = d.output_determines_derivative({**d.bind((), case.params)})
    return d.uses_elementary, d.has_output_derivative, saves_output, bool(case.differentiable), orders


def _first_of_each(cases: Sequence[Case], key: Any) -> list[Case]:
    found: dict[Any, Case] = {}
    for case in cases:
        found.setdefault(key(case), case)
    return list(found.values())


# The formula at every setting is tests/test_accuracy.py's. A transformation goes through the engine's rules, which
# see only the kind: SOME, and BOTH with the inline form, which is the same for all of them. What can be had for
# little runs over every activation (ALL), and over each of its kinds (EVERY).
SOME = [*_first_of_each(DEFAULTS, _kind), *PROBES]
ALL = [*DEFAULTS, *PROBES]
KINDS = [*_first_of_each(CASES, lambda case: (case.name, _kind(case))), *PROBES]
EVERY = [*KINDS, *(dataclasses.replace(c, implementation="inline") for c in SOME)]
BOTH = [*SOME, *(dataclasses.replace(p, implementation="inline") for p in PROBES)]


def with_parameters(cases: Sequence[Case]) -> list[Case]:
    """The cases that have at least one parameter with a gradient."""
    return [c for c in cases if c.differentiable]


# -- points and exact results --------------------------------------------------------------------------------


def oracle(case: Case) -> Oracle:
    return WAVE if isinstance(case, Probe) else ORACLE[case.name]


@functools.cache
def _points(name: str, kinks: tuple[float, ...], shape: tuple[int, ...]) -> np.ndarray:
    x = np.linspace(-4.13, 4.37, int(np.prod(shape)))
    for kink in kinks:  # finite differences and other rounding must stay on one side
        x = np.where(np.abs(x - kink) < 0.03, kink + 0.0417, x)
    return np.random.default_rng(3).permutation(x).astype(np.float32).reshape(shape)


def points(case: Case, shape: tuple[int, ...] = (8, 6)) -> jax.Array:
    """float32 points between -4.2 and 4.4, none beside a kink."""
    return jnp.asarray(_points(case.name, oracle(case).kinks(**case.params), shape))


def some(shape: tuple[int, ...] = (8, 6), seed: int = 5) -> jax.Array:
    """Tangents and cotangents: float32 between 0.5 and 1.5, of either sign."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape)
    return jnp.asarray(values.astype(np.float32))


def exact(case: Case, x: Any, order: int = 0, wrt: str | None = None, **changed: float) -> np.ndarray:
    """The oracle's value, derivative in x, or first derivative in a parameter, in float64."""
    params = {**case.params, **changed}
    return oracle(case).derivative(order, wrt)(np.asarray(x).astype(np.float64), **params)


def third(case: Case, x: Any, h: float = 1e-4) -> np.ndarray:
    """f''' by central differences of the oracle's f''."""
    x = np.asarray(x, np.float64)
    return (exact(case, x + h, 2) - exact(case, x - h, 2)) / (2 * h)


def close(actual: Any, expected: Any, rounds: float = 32.0) -> None:
    """Raise unless they agree to `rounds` units of the dtype, relative or to the largest; shapes must be equal.

    Wide: accuracy has its own test, here a wrong rule is to be seen and nothing else.
    """
    actual = np.asarray(actual)
    expected = np.asarray(expected).astype(np.float64)
    assert actual.shape == expected.shape, (actual.shape, expected.shape)
    eps = float(ml_dtypes.finfo(actual.dtype).eps) * rounds
    size = np.max(np.abs(expected), initial=1.0)
    np.testing.assert_allclose(actual.astype(np.float64), expected, rtol=eps, atol=eps * size / 8)


# -- jaxprs and compiled text --------------------------------------------------------------------------------


def equations(jaxpr: Any) -> Iterator[Any]:
    """Every equation of a jaxpr, those of inner jaxprs too."""
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    for eqn in jaxpr.eqns:
        yield eqn
        for value in jax.tree.leaves(dict(eqn.params), is_leaf=lambda v: hasattr(v, "eqns")):
            if hasattr(value, "eqns") or hasattr(getattr(value, "jaxpr", None), "eqns"):
                yield from equations(value)


def primitives(function: Any, *args: Any) -> list[str]:
    """The names of all primitives that tracing `function` binds, without the calls that hold others."""
    names = [e.primitive.name for e in equations(jax.make_jaxpr(function)(*args))]
    return [n for n in names if n not in ("jit", "pjit", "closed_call", "custom_jvp_call")]


COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")


def collectives(compiled: Any) -> dict[str, int]:
    """How often each collective occurs in a compiled program."""
    text = compiled.as_text()
    counts = {name: text.count(f" {name}(") + text.count(f" {name}-start(") for name in COLLECTIVES}
    return {name: n for name, n in counts.items() if n}


def bytes_of(tree: Any) -> dict[int, int]:
    """The bytes of each distinct buffer that a tree, such as a pullback, holds."""
    arrays = [v for v in jax.tree.leaves(tree) if isinstance(v, jax.Array)]
    return {v.unsafe_buffer_pointer(): v.nbytes for v in arrays}
