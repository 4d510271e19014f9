"""Every public name is exported, documented and importable; every activation is known to the oracle."""

import inspect
import pydoc

import jax
import pytest
from cases import CASES, builtin, rowwise
from oracle import ORACLE

import jaxact
from jaxact._src import catalogue
from jaxact._src.function import Elementwise

ACTIVATIONS = [catalogue.activations()[n] for n in builtin()]
ROWWISE = [catalogue.activations()[n] for n in rowwise()]


def test_all_is_sorted_complete_and_exported():
    names = list(jaxact.__all__)
    assert names == sorted(set(names))
    public = {n for n in vars(jaxact) if not n.startswith("_") and not inspect.ismodule(getattr(jaxact, n))}
    assert public <= set(names), "a public name that is not in __all__"
    for name in names:
        assert hasattr(jaxact, name), name


@pytest.mark.parametrize("name", [*builtin(), *rowwise()])
def test_activations_are_exported_under_their_name(name):
    assert name in jaxact.__all__
    assert getattr(jaxact, name) is catalogue.activations()[name]
    for alias in catalogue.names_of(getattr(jaxact, name)):
        assert catalogue.find(alias) is getattr(jaxact, name)
        assert alias in jaxact.names()
        if alias in jaxact.__all__:
            assert getattr(jaxact, alias) is getattr(jaxact, name)


FUNCTIONS = [n for n in jaxact.__all__ if inspect.isfunction(getattr(jaxact, n))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_documented(name):
    function = getattr(jaxact, name)
    text = function.__doc__
    assert text, f"{name} has no docstring"
    if inspect.signature(function).parameters:
        assert "Args:" in text
        assert "Returns:" in text or "Raises:" in text


@pytest.mark.parametrize("activation", [*ACTIVATIONS, *ROWWISE], ids=lambda a: a.__name__)
def test_activations_say_what_users_ask(activation):
    text = activation.__doc__
    facts = activation.definition.facts
    for section in ("Formula:", "Shapes:", "Dtypes:", "Range:", "Limits:", "Kinks:", "Saved for the backward:"):
        assert section in text, section
    for section in ("Args:", "Raises:", "TypeError:", "ValueError:"):
        assert section in text, section
    for parameter in inspect.signature(activation).parameters:
        assert f"  {parameter}: " in text, parameter
    if facts.name != "identity":
        assert "Source:" in text
    assert activation.__name__ in pydoc.plain(pydoc.render_doc(activation))
    assert activation.__name__ in repr(activation)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=lambda a: a.__name__)
def test_signatures_are_honest(activation):
    parameters = list(inspect.signature(activation).parameters.values())
    assert parameters[0].name == "x"
    assert [p.name for p in parameters[-3:]] == ["implementation", "residual", "inplace"]
    assert [p.name for p in parameters[1:-3]] == list(activation.definition.parameters)
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[-3:])


@pytest.mark.parametrize("activation", ROWWISE, ids=lambda a: a.__name__)
def test_signatures_over_rows_are_honest(activation):
    parameters = list(inspect.signature(activation).parameters.values())
    own = [activation.definition.parameter.name] if activation.definition.parameter else []
    assert [p.name for p in parameters] == ["x", *own, "axis", "where", "scale", "implementation", "residual"]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[-3:])


def test_every_activation_of_jax_nn_is_here():
    public = {n for n in dir(jax.nn) if not n.startswith("_") and callable(getattr(jax.nn, n))}
    others = {"one_hot", "standardize", "logsumexp", "logmeanexp", "log1mexp", "dot_product_attention"}
    others |= {n for n in public if n.startswith(("scaled_", "get_scaled_"))}
    assert {n for n in public - others if not hasattr(jaxact, n)} == set()


@pytest.mark.parametrize("name", [n for n in (*builtin(), *rowwise()) if hasattr(jax.nn, n)])
def test_arguments_of_jax_nn_come_first_with_its_defaults(name):
    """Code written for jax.nn runs unchanged: same names, same order, same defaults; ours follow."""
    theirs = list(inspect.signature(getattr(jax.nn, name)).parameters.values())[1:]
    ours = list(inspect.signature(getattr(jaxact, name)).parameters.values())[1:]
    for mine, other in zip(ours, theirs):
        assert mine.name == other.name
        if other.default is not other.empty and not hasattr(other.default, "dtype"):
            number = isinstance(other.default, float)
            assert mine.default == (pytest.approx(other.default, rel=1e-6) if number else other.default)


@pytest.mark.parametrize("name", builtin())
def test_the_oracle_knows_it_with_the_same_parameters(name):
    assert name in ORACLE, f"add {name} to tests/oracle"
    differentiable = {n for n, p in catalogue.activations()[name].definition.parameters.items() if p.domain}
    assert set(ORACLE[name].parameters) == differentiable


@pytest.mark.parametrize("case", CASES, ids=str)
def test_settings_name_parameters(case):
    assert set(case.params) <= set(case.definition.parameters)


def test_reference_has_every_name():
    assert {*builtin(), *rowwise()} <= set(dir(jaxact.reference))
    for name in (*builtin(), *rowwise()):
        assert getattr(jaxact.reference, name).keywords == {"implementation": "inline"}
    with pytest.raises(AttributeError, match=r"did you mean .*'relu6'"):
        _ = jaxact.reference.relu7


def test_the_decorator_is_a_function():
    """A package of its name would replace it on import."""
    assert inspect.isfunction(jaxact.elementwise)
    assert all(isinstance(a, Elementwise) for a in ACTIVATIONS)


def test_version():
    assert jaxact.__version__[0].isdigit()
