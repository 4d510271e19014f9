"""The examples in docstrings run."""

import doctest
import importlib
import pkgutil

import pytest
from support import forgetting

import jaxact

MODULES = sorted(m.name for m in pkgutil.walk_packages(jaxact.__path__, "jaxact.") if "__main__" not in m.name)


@pytest.mark.parametrize("name", ["jaxact", *MODULES])
def test_examples(name):
    with forgetting():
        failures, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert not failures
