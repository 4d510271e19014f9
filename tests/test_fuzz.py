"""Strings and configurations from anywhere: nothing is run, imported without leave, or takes long."""

import builtins
import contextlib
import datetime
import importlib
import os
import subprocess
from collections.abc import Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
from bad_input import NAMESPACE
from hypothesis import given, settings
from hypothesis import strategies as st
from profiles import TIMES

import jaxact
from jaxact import convert

# A second each, with what a loaded machine may add; a first call imports.
fuzzed = settings(settings.get_profile("jaxact"), max_examples=150 * TIMES, deadline=datetime.timedelta(seconds=5))

CODE = (
    "__import__('os').system('true')",
    "os:system",
    "os.path:os.system",
    "math:__loader__.load_module",
    "math:sin.__class__.__base__.__subclasses__",
    "builtins:eval",
    "builtins:exec",
    "subprocess:run",
    "lambda x: x",
    "{{7*7}}",
    "!!python/object/apply:os.system ['true']",
    "../../etc/passwd",
    "relu\x00",
    "${HOME}",
    "relu" * 50_000,
    ":",
    "",
)
texts = st.one_of(
    st.sampled_from(CODE), st.text(max_size=30), st.sampled_from(("relu", "leaky_relu", "ReLU", "glu"))
)
leaves = st.one_of(
    texts,
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from((10**400, [0] * 100_000, object(), np.zeros((2, 2)), b"x", print, NAMESPACE["LOOP"])),
    st.floats(),
)
KEYS = ("name", "params", "class_name", "config", "weights", "module", "activation", "negative_slope", "axis")
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.sampled_from(KEYS), texts), inner, max_size=4)
    ),
    max_leaves=8,
)
records = st.fixed_dictionaries({"name": texts}, optional={"params": trees})
layers = st.fixed_dictionaries(
    {"class_name": texts}, optional={"config": trees, "weights": trees, "module": texts}
)
EXPECTED = (ValueError, TypeError)


def refuse(what: str) -> Any:
    def refused(*args: Any, **_: Any) -> Any:
        pytest.fail(f"{what}{args[:1]!r:.80} was called")

    return refused


def only_ours(name: str, package: str | None = None, real: Any = importlib.import_module) -> Any:
    """importlib.import_module for what jaxact asks for, which is its own rooms or what the caller allows."""
    if not name.startswith("jaxact.") and name != "math":
        pytest.fail(f"{name!r} was imported")
    return real(name, package)


@contextlib.contextmanager
def nothing_runs() -> Iterator[None]:
    """Neither code nor an import of what is not allowed: hypothesis itself does both, so around a call only."""
    with contextlib.ExitStack() as patched:
        for module, name in ((os, "system"), (subprocess, "Popen"), (builtins, "eval"), (builtins, "exec")):
            patched.enter_context(mock.patch.object(module, name, refuse(name)))
        patched.enter_context(mock.patch.object(importlib, "import_module", only_ours))
        yield


def attempt(function: Any, *args: Any, **options: Any) -> None:
    """Call it: a value, or an error of ours that is short."""
    said = ""
    try:
        with nothing_runs():
            function(*args, **options)
    except EXPECTED as error:
        said = str(error)
    assert len(said) < 1500


class TestNothingRuns:
    @fuzzed
    @given(config=st.one_of(texts, records, trees), allow=st.sampled_from(((), ("math",))))
    def test_deserialize(self, config, allow):
        attempt(jaxact.deserialize, config, allow=allow)

    @fuzzed
    @given(config=st.one_of(texts, layers, trees), dialect=st.sampled_from(("keras", "tf_keras", "torch", "hf")))
    def test_from_config(self, config, dialect):
        attempt(convert.from_config, config, dialect)

    @fuzzed
    @given(
        name=st.one_of(texts, leaves),
        dialect=st.one_of(st.sampled_from(("jax", "keras", "torch", "hf", "puzzlelib")), texts),
        params=st.dictionaries(st.sampled_from((*KEYS[5:], "x", "self")), trees, max_size=2),
    )
    def test_get(self, name, dialect, params):
        params.pop("activation", None)
        attempt(jaxact.get, name, dialect=dialect, **params)

    @pytest.mark.parametrize("config", ["DEEP", "LOOP"])
    def test_deep_and_recursive(self, config):
        attempt(jaxact.deserialize, NAMESPACE[config])
        attempt(convert.from_config, NAMESPACE[f"LAYER{'S_DEEP' if config == 'DEEP' else '_LOOP'}"], "keras")


@pytest.mark.parametrize("path", [c for c in CODE if ":" in c and c[0].isalpha() and c.isprintable()])
def test_paths_lead_nowhere_without_leave(path):
    with pytest.raises(ValueError, match=r"needs module|unknown activation|no import path"):
        jaxact.deserialize(path)


@pytest.mark.parametrize(
    "path",
    [
        "os.path:os.system",
        "math:__loader__.load_module",
        "math:sin.__class__",
        "math:_secret",
        "jax.nn:relu.__class__.__base__.__subclasses__",
        "jaxact.convert:reading.importlib.import_module",
    ],
)
def test_an_allowed_module_is_no_way_to_another(path):
    with pytest.raises(ValueError, match="leads out of module"):
        jaxact.deserialize(path, allow=(path.partition(":")[0],))


def test_what_an_allowed_module_has_is_found():
    import math

    assert jaxact.deserialize("math:sin", allow=("math",)) is math.sin
    assert jaxact.deserialize({"name": "math:sin"}, allow=["math"]) is math.sin
