"""The rule: what is chosen for which request, machine and size, and why; and the check of unproven kernels."""

import collections
import functools
import itertools
import math
import os
import pathlib
import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from standin import fixture, fresh  # noqa: F401
from support import close, forgetting

import jaxact
from jaxact._src import engine, proof, rule, select, sharding
from jaxact._src.rule import RULE
from pallas_kernels import capability

OLD = tuple(map(int, jax.__version__.split(".")[:3])) < capability.MINIMUM_JAX
new = pytest.mark.skipif(OLD, reason="kernels need JAX 0.11.2")


def why(function, *args, **where):
    """(implementation, reason) of the only activation in a function, on an H200 unless told otherwise."""
    (found,) = jaxact.explain(function, *args, **({"gpu": "h200"} | where))
    return found.implementation, found.reason


def array(*shape, dtype="bfloat16"):
    return jax.ShapeDtypeStruct(shape, dtype)


# -- the rule -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "direction", "length", "kernel"),
    [
        ("sparsemax", "value", 127, False),
        ("sparsemax", "value", 128, True),
        ("sparsemax", "value", 131072, True),
        ("entmax", "backward", 16384, False),
        ("entmax", "backward", 16385, True),
        ("entmax", "backward", 131072, True),
        ("sparsemax", "backward", 100, False),
        ("entmax15", "backward", 100, False),
        ("entmax", "tangent", 100, False),
        ("softmax", "value", 16384, False),
        ("softmin", "value", 16385, False),
        ("log_softmax", "value", 32768, False),
        ("softmax", "backward", 4096, False),
        ("softmin", "backward", 32768, False),
        ("log_softmax", "backward", 20000, False),
        ("softmax", "tangent", 20000, False),
        ("elementwise", "value", 0, False),
        ("gated", "value", 0, False),
        ("fused", "backward", 0, False),
        ("packed geglu", "backward", 0, False),
        ("packed geglu", "value", 0, False),
        ("act_quant", "value", 127, False),
        ("act_quant", "value", 128, True),
        ("something new", "value", 0, False),
    ],
)
def test_rule(family, direction, length, kernel):
    assert rule.row(family, direction, length).kernel is kernel


def test_float32_rows_leave_the_registers_sooner():
    assert rule.row("entmax15", "value", 24576, 4).kernel
    assert not rule.row("entmax15", "value", 24577, 4).kernel
    assert rule.row("entmax", "backward", 32768, 4).kernel
    assert not rule.row("entmax", "backward", 32769, 4).kernel


@pytest.mark.parametrize(("alpha", "family"), [(2, "sparsemax"), (2.0, "sparsemax"), (1.5, "entmax")])
def test_entmax_of_alpha_2_is_sparsemax_to_the_rule(alpha, family):
    traced = jax.make_jaxpr(lambda x: jaxact.entmax(x, alpha))(jnp.ones((2, 8)))
    ((op, *_),) = engine.activations_in(traced.jaxpr)
    assert op.family == family


@pytest.mark.parametrize(("width", "row"), [(256, 128), (254, 127)])
def test_the_rows_of_act_quant_are_those_of_its_result(width, row):
    traced = jax.make_jaxpr(lambda x: jaxact.act_quant(x, "swiglu"))(jnp.ones((2, width)))
    ((op, _, _, (x,)),) = engine.activations_in(traced.jaxpr)
    assert op.row_length(x) == row


def test_every_line_of_the_rule_can_be_reached_and_says_why():
    for line in RULE:
        lengths = (line.at_least, min(line.at_most, 10**6))
        cases = itertools.product(line.families, line.directions, lengths, (2, 4))
        assert any(rule.row(*case) is line for case in cases), line
        assert line.evidence


def test_the_guide_says_what_the_rule_takes():
    """Its table, made of the rule."""
    guide = (pathlib.Path(__file__).parents[1] / "docs/guides/kernels.md").read_text()
    for line in (line for line in RULE if line.kernel):
        rows = f"from {line.at_least}" if line.at_least else "any"
        if line.at_most_float32 < math.inf:
            rows += f", in float32 to {line.at_most_float32}"
        assert line.at_most == math.inf, "which it has no words for"
        cells = (", ".join(line.families), ", ".join(line.directions), rows, line.evidence)
        assert f"| {' | '.join(cells)} |" in guide


# -- requests and machines ------------------------------------------------------------------------------------


@new
@pytest.mark.parametrize("request_", ["pallas", "prefer_pallas"])
def test_a_kernel_on_request(request_):
    got = why(lambda x: jaxact.gelu(x, implementation=request_), array(8, 128))
    assert got == ("pallas", f"asked for by implementation={request_!r}")


def test_the_reference_on_request(standin):
    got = why(lambda x: jaxact.gelu(x, implementation="reference"), array(8, 128))
    assert got == ("reference", "asked for by implementation='reference'")


@new
@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (jaxact.gelu, "XLA fuses it with its neighbours, which a kernel would cut apart"),
        (jaxact.softmax, "XLA keeps rows of up to 16384 elements on the chip and fuses the neighbours"),
        (jaxact.swiglu, "XLA fuses it with its neighbours and moves each byte once"),
    ],
)
def test_none_gives_the_evidence(function, reason):
    assert why(function, array(8, 128)) == ("reference", reason)


@new
@pytest.mark.parametrize(
    ("function", "args", "reason"),
    [
        (jaxact.gelu, [array(8, dtype="float64")], "not in float64"),
        (lambda x: jaxact.prelu(x, jnp.ones((4, 1))), [array(4, 8)], "got (4, 1)"),
        (lambda x: jaxact.softmax(x, axis=0), [array(4, 8)], "along the last axes only"),
        (jaxact.sparsemax, [array(2, 1 << 20)], "longer than the"),
        (lambda x: jaxact.entmax(x, 2.5), [array(4, 8)], "alpha in (1, 2], got 2.5"),
        (lambda x: jaxact.act_quant(x, "swiglu_oai"), [array(4, 8)], "halves side by side only"),
        (lambda x: jaxact.act_quant(x, jaxact.softmax), [array(4, 8)], "no activation over rows, as softmax is"),
        (jaxact.gelu, [array(0, 8)], "nothing to compute"),
        (lambda x: jaxact.entmax(x, jnp.ones((4, 1))), [array(4, 8)], "array of alphas"),
    ],
)
def test_what_kernels_cannot_do(function, args, reason):
    with jax.enable_x64(args[0].dtype == np.float64), jaxact.use(implementation="prefer_pallas"):
        implementation, got = why(function, *args)
    assert implementation == "reference"
    assert reason in got, got


@new
@pytest.mark.parametrize(
    ("function", "args", "capability_", "reason"),
    [
        (jaxact.sparsemax, [array(2, 1 << 20)], "9.0", "rows of 1048576 elements are longer than the"),
        (jaxact.gelu, [array(8, dtype="float8_e4m3b11fnuz")], "9.0", "not float8_e4m3b11fnuz"),
        (jaxact.gelu, [array(1 << 16, 1 << 16)], "9.0", "beyond the"),
        (jaxact.gelu, [array(8)], "8.0", "the GPU has 8.0"),
    ],
    ids=["row", "dtype", "size", "GPU"],
)
def test_a_demand_that_cannot_be_met_raises(function, args, capability_, reason):
    traced = jax.make_jaxpr(lambda *v: function(*v, implementation="pallas"))(*args)
    ((op, direction, mask, operands),) = engine.activations_in(traced.jaxpr)
    target = select.Target("cuda", capability_, sharding.ALONE)
    with pytest.raises(NotImplementedError, match=reason):
        select.select(op, direction, mask, operands, target)


@pytest.fixture
def forgotten():
    with forgetting():
        yield


@new
@pytest.mark.usefixtures("forgotten")
def test_a_users_own_activation():
    @jaxact.elementwise(name="test own")
    def own(x):
        return jax.nn.relu(x) - 1.0

    assert why(lambda x: own(x, implementation="prefer_pallas"), array(8))[0] == "pallas"


@new
@pytest.mark.usefixtures("forgotten")
def test_a_formula_that_kernels_lack():
    @jaxact.elementwise(name="test zeta")
    def zeta(x):
        return jax.scipy.special.digamma(x)

    implementation, reason = why(lambda x: zeta(x, implementation="prefer_pallas"), array(8))
    assert implementation == "reference"
    assert "kernels have no digamma" in reason
    demanded = jax.jit(lambda x: zeta(x, implementation="pallas")).trace(array(8))
    with pytest.raises(NotImplementedError, match="kernels have no digamma"):
        demanded.lower(lowering_platforms=("cuda",))


@pytest.mark.skipif(not OLD, reason="kernels run on this JAX")
def test_an_old_jax_says_so():
    reason = f"kernels need JAX 0.11.2 or later, this is {jax.__version__}"
    assert why(jaxact.sparsemax, array(8, 128)) == ("reference", reason)


@new
def test_a_gpu_that_is_not_known():
    """A preference yields to the doubt, a demand does not."""
    unknown = {"gpu": None, "platform": "cuda"}
    doubt = ("reference", "the compute capability of the GPU is not known")
    assert why(jaxact.sparsemax, array(8, 128), **unknown) == doubt
    assert why(lambda x: jaxact.gelu(x, implementation="prefer_pallas"), array(8), **unknown) == doubt
    assert why(lambda x: jaxact.gelu(x, implementation="pallas"), array(8), **unknown)[0] == "pallas"


def test_act_quant_of_more_than_one_activation_has_no_kernel():
    x = jnp.ones((4, 8))
    with pytest.raises(NotImplementedError, match="the result of one activation of jaxact's"):
        jaxact.act_quant(x, lambda v: jaxact.silu(v) + 1, implementation="pallas")
    with pytest.raises(NotImplementedError, match="has no kernel here"):
        jaxact.act_quant(x, "silu", implementation="pallas")


def test_kernels_that_cannot_be_imported(monkeypatch):
    import pallas_kernels

    monkeypatch.setitem(sys.modules, "pallas_kernels.capability", None)
    monkeypatch.delattr(pallas_kernels, "capability")
    implementation, reason = why(jaxact.sparsemax, array(8, 128))
    assert implementation == "reference"
    assert reason.startswith("pallas_kernels cannot be imported: ")


def test_placements():
    one = jax.typeof(jnp.ones(8))
    assert sharding.placement([one]) == sharding.placement([one], 1) == sharding.ALONE
    assert sharding.placement([one], 8).reason == "the mesh of a program for several devices is not known"


# -- the check of unproven kernels ----------------------------------------------------------------------------


@pytest.fixture
def unchecked(monkeypatch):
    monkeypatch.setattr(proof, "_failures", {})


X = np.random.default_rng(0).normal(size=(3, 20000)).astype(np.float32)
SPARSE = jaxact.reference.sparsemax(X)


def test_a_kernel_that_passes_its_check_runs(standin, unchecked):
    y = fresh(jaxact.sparsemax)(X)
    assert standin.shapes == [(2, 20000), (3, 20000)], "the check has two rows, of the length of the program's"
    assert (jaxact.explain(jaxact.sparsemax, X)[0].implementation) == "pallas"
    assert len(standin.shapes) == 2, "it is checked once"
    close(y, SPARSE)


def test_what_has_other_code_is_checked_too(standin, unchecked):
    """Another dtype, and rows that are read again rather than held."""
    for x in (X, X.astype(jnp.bfloat16), np.tile(X, 3).astype(jnp.bfloat16), X[:2]):
        fresh(jaxact.sparsemax).lower(x)
    assert [s for s in standin.shapes if s[0] == 2] == [(2, 20000), (2, 20000), (2, 60000), (2, 20000)]
    assert [s for s in standin.shapes if s[0] == 3] == [(3, 20000), (3, 20000), (3, 60000)]


def checks(functions, monkeypatch) -> int:
    """How many kernels are checked when these are lowered one after the other; none passes."""
    checked = []
    monkeypatch.setattr(proof, "check", lambda _, op, *rest: checked.append(op) or "is off")
    lowered = (fresh(function).lower(X) for function in functions)
    with pytest.warns(RuntimeWarning, match="is off"):
        collections.deque(lowered, 0)
    return len(checked)


ALPHAS = [functools.partial(jaxact.entmax, alpha=a) for a in (1.3, 1.25, 1.35)]
QUANTISED = [functools.partial(jaxact.act_quant, activation=a, dtype="int8") for a in ("silu", "gelu", "mish")]


@pytest.mark.parametrize("functions", [ALPHAS, QUANTISED], ids=["alpha", "activation"])
def test_each_body_is_checked(standin, unchecked, functions, monkeypatch):
    assert checks([*functions, *functions], monkeypatch) == 3


def test_so_many_checks_are_remembered(standin, unchecked, monkeypatch):
    monkeypatch.setattr(proof, "_MOST", 2)
    a, b, c = ALPHAS
    assert checks([a, b, b, a, c, b, a], monkeypatch) == 4, "of c's time only b is remembered"
    assert len(proof._failures) == 2


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda v: v * 1.001, "where the largest result is"),
        (lambda v: v.at[1, 3].set(jnp.nan), "NaN elsewhere"),
        (lambda v: 1 / 0, "does not run (ZeroDivisionError"),
    ],
    ids=["wrong", "NaN", "error"],
)
def test_a_kernel_that_fails_its_check_does_not_run_and_is_told(standin, unchecked, spoil, said):
    standin.spoil = spoil
    with pytest.warns(RuntimeWarning, match="the reference runs instead") as told:
        y = fresh(jaxact.sparsemax)(X)
    assert said in str(told[0].message)
    close(y, SPARSE)
    with warnings.catch_warnings():  # not told again
        warnings.simplefilter("error")
        (row,) = jaxact.explain(jaxact.sparsemax, X)
    assert row.implementation == "reference"
    assert said in row.reason


def test_a_demand_is_not_checked(standin, unchecked):
    standin.spoil = lambda v: v + 1
    y = fresh(lambda x: jaxact.sparsemax(x, implementation="pallas"))(X)
    close(y, SPARSE + 1)


def test_a_gpu_that_is_only_compiled_for_is_not_checked(standin, unchecked):
    standin.spoil = lambda v: v + 1
    assert jaxact.explain(jaxact.sparsemax, X, gpu="h200")[0].implementation == "pallas"
    assert standin.shapes == []


def test_a_proven_kernel_is_not_checked(standin, unchecked, monkeypatch):
    monkeypatch.setattr(capability, "is_proven", lambda kind, _: kind == "rowwise")
    fresh(jaxact.sparsemax).lower(X)
    assert standin.shapes == [(3, 20000)]


def test_the_check_knows_nothing_of_the_mesh_around_it(standin, unchecked):
    mesh = jax.make_mesh((4, 2), ("rows", "columns"), axis_types=(jax.sharding.AxisType.Explicit,) * 2)
    x = np.concatenate([X, X[:1]])
    with jax.set_mesh(mesh):
        xs = jax.device_put(x, jax.P("rows", None))
        y = fresh(jax.vmap(jaxact.sparsemax))(xs)
    assert standin.shapes[0] == (2, 20000)
    assert standin.shapes[-1] == (1, 20000)
    close(y, jaxact.reference.sparsemax(x))


def test_the_environment_chooses_for_a_process():
    program = "import jax, jaxact; print(jax.make_jaxpr(jaxact.silu)(1.0))"
    environment = {**os.environ, "JAXACT_IMPLEMENTATION": "inline"}
    command = [sys.executable, "-c", program]
    traced = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "custom_jvp_call" in traced.stdout
    assert "activation" not in traced.stdout
