"""The real PyTorch on CPU: every activation of torch.nn.functional and every class of torch.nn."""

import inspect

import jax
import numpy as np
import peers
import pytest

import jaxact
from jaxact._src import dialects
from jaxact._src.catalogue import fold

torch = peers.require("torch")
F = torch.nn.functional


def takes_one_array(cls) -> bool:
    """Not MultiheadAttention, whose forward takes queries, keys and values."""
    required = [p for p in inspect.signature(cls.forward).parameters.values() if p.default is p.empty]
    return len(required) == 2


MODULES = torch.nn.modules.activation
CLASSES = {n: getattr(torch.nn, n) for n in MODULES.__all__ if takes_one_array(getattr(MODULES, n))}
# torch.nn.functional has no list of its activations: they are what is named as a class is, or ends so.
FUNCTIONS = {
    n: f
    for n, f in vars(F).items()
    if callable(f) and not n.startswith("_") and any(fold(n).endswith(fold(c)) for c in CLASSES)
}

PARAMETERS = {
    "threshold": [{"threshold": 0.75, "value": 20.0}],
    "rrelu": [{}, {"lower": 0.25, "upper": 0.75}],
    "hardtanh": [{}, {"min_val": -2.0, "max_val": 0.5}],
    "elu": [{}, {"alpha": 0.3}],
    "celu": [{}, {"alpha": 2.5}],
    "glu": [{}, {"dim": 0}],
    "gelu": [{}, {"approximate": "tanh"}, {"approximate": "none"}],
    "hardshrink": [{}, {"lambd": 1.5}],
    "softshrink": [{}, {"lambd": 1.5}],
    "leaky_relu": [{}, {"negative_slope": 0.25}],
    "softplus": [{}, {"beta": 0.4}, {"beta": 3.0, "threshold": 30.0}],
    "softmin": [{"dim": -1}, {"dim": 0}],
    "softmax": [{"dim": -1}, {"dim": 0}],
    "log_softmax": [{"dim": -1}, {"dim": 0}],
    "prelu": [{"weight": np.array([0.25])}, {"weight": np.linspace(-0.5, 0.375, 8)}],
}
RANDOM = {"gumbel_softmax"}
SETTINGS = peers.settings(
    FUNCTIONS.keys() - RANDOM, PARAMETERS | {f"{n}_": p for n, p in PARAMETERS.items() if f"{n}_" in FUNCTIONS}
)
SETTINGS.sort(key=str)
KINKS = peers.stated_kinks("torch")


def theirs(function, params):
    given = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in params.items()}
    return lambda x, ones: peers.in_torch_float64(lambda v: function(v, **given), x, ones)


def ours(name, params):
    given = {k: v.astype(np.float32) if isinstance(v, np.ndarray) else v for k, v in params.items()}
    return jaxact.get(name, dialect="torch", **given)


def test_the_tables_have_exactly_the_names_of_torch():
    in_place = {n for n in FUNCTIONS if n.endswith("_")}  # lookup ignores the underscore
    assert set(dialects.TORCH.names) == FUNCTIONS.keys() - in_place
    assert {n.removesuffix("_") for n in in_place} <= set(dialects.TORCH.names)
    assert set(dialects.TORCH.layers) == {*CLASSES, "Identity"}


def test_every_parameter_of_torch_is_compared():
    deterministic = {n: f for n, f in FUNCTIONS.items() if n not in RANDOM}
    assert peers.uncovered("torch", deterministic, SETTINGS) == {}


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_values_and_gradients(setting):
    found = peers.check(ours(setting.name, setting.params), theirs(FUNCTIONS[setting.name], setting.params))
    assert found == KINKS.get(str(setting), {})


def test_the_page_on_migration_names_calls_of_this_file():
    assert set(KINKS) <= {str(s) for s in SETTINGS}


def test_gumbel_softmax_has_the_same_distribution():
    logits, n = np.array([0.5, -1.0, 2.0, 0.0], np.float32), 40_000
    many = np.broadcast_to(logits, (n, 4)).copy()
    assert set(peers.parameters(F.gumbel_softmax)) == set(dialects.TORCH.names["gumbel_softmax"].parameters)
    torch.manual_seed(0)
    for tau, hard in ((0.5, False), (2.0, True)):
        sample = jaxact.get("gumbel_softmax", dialect="torch", tau=tau, hard=hard, dim=-1)
        mine = np.asarray(sample(many, key=jax.random.key(1)), np.float64)
        other = F.gumbel_softmax(torch.tensor(many), tau=tau, hard=hard, dim=-1).numpy().astype(np.float64)
        for moment in (1, 2):
            a, b = mine**moment, other**moment
            error = np.sqrt((a.var(0) + b.var(0)) / n)
            assert np.all(np.abs(a.mean(0) - b.mean(0)) <= 5 * error), (tau, hard, moment)
