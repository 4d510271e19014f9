"""The accuracy of rows: its program tells right from wrong, and page and package tell what was measured."""

import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from oracle import rows
from row_contract import logits

from benchmarks import accuracy_rows
from benchmarks.peers import libraries
from jaxact._src import catalogue

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def committed():
    return json.loads((ROOT / accuracy_rows.RESULTS).read_text())


@pytest.mark.parametrize("dtype", list(accuracy_rows.DTYPES))
@pytest.mark.parametrize("name", ["softmax", "log_softmax", "sparsemax"])
def test_what_is_wrong_exceeds_the_bound(name, dtype):
    x = np.asarray(logits(100, accuracy_rows.DTYPES[dtype]))
    exact = rows.VALUES[name](x.astype(np.float64))
    near = exact.astype(x.dtype)
    assert accuracy_rows.error(name, x, exact, near) <= 1
    assert accuracy_rows.error(name, x, exact, (exact * 1.02).astype(x.dtype)) > 1
    for bad in (np.nan, np.inf):
        near[3, 5] = bad
        assert accuracy_rows.error(name, x, exact, near) == np.inf


def test_measure():
    found = accuracy_rows.measure("softmax", {}, "float32", (100,), libraries())
    assert {"jaxact", "jax.nn"} <= {r["library"] for r in found}
    assert all(0 < r["worst"] <= 1 and r["length"] == 100 for r in found if r["library"] == "jaxact")


def test_every_activation_over_rows_is_within_its_bound(committed):
    ours = [r for r in committed["rows"] if r["library"] == "jaxact"]
    assert {r["name"] for r in ours} == {n for n in rows.VALUES if n in catalogue.activations()}
    assert all(float(r["worst"]) <= 1 for r in ours)
    assert max(committed["lengths"]) == 2**17


def test_page_and_package_tell_what_was_measured(committed):
    assert (ROOT / "docs" / "accuracy_rows.md").read_text() == accuracy_rows.page(committed)
    told = json.loads(resources.files("jaxact._src").joinpath("accuracy_rows.json").read_text())
    assert told == accuracy_rows.shipped(committed)
