"""The README's tables are those of the last measurements and of the libraries, its pictures show what there is."""

import importlib
import importlib.util
import os
import re
import warnings
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")

from benchmarks import readme
from jaxact._src import catalogue, curves

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
ROOMS = {
    "jaxact": ["jaxact"],
    "jax.nn": ["jax.nn"],
    "keras": ["keras.activations", "keras.layers"],
    "torch": ["torch.nn", "torch.nn.functional"],
    "tokamax": ["tokamax"],
}


def test_the_tables_are_up_to_date():
    assert readme.renewed(TEXT) == TEXT, "`python -m benchmarks page` writes them"


def test_a_table_without_its_marks_is_an_error():
    with pytest.raises(ValueError, match="found 0 times"):
        readme.renewed("")


@pytest.mark.parametrize("library", readme.LIBRARIES)
def test_what_the_table_says_of_a_library(library):
    """Each name exists; what is left out has no name that looks like it."""
    if importlib.util.find_spec(library.partition(".")[0]) is None:
        pytest.skip(f"{library} is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a library warns of while it is imported is its own business
        rooms = [importlib.import_module(room) for room in ROOMS[library]]
    public = {name for room in rooms for name in dir(room) if not name.startswith("_")}
    for feature in readme.FEATURES:
        name = feature.names.get(library)
        if name is None:
            assert feature.search, feature
            assert [n for n in public if re.search(feature.search, n)] == [], feature
        elif readme.is_name(name):
            package, _, attribute = f"{library}.{name}".rpartition(".")
            assert hasattr(importlib.import_module(package), attribute), feature


@pytest.mark.parametrize("theme", curves.THEMES)
def test_the_picture_shows_every_activation(theme):
    """`make gallery` draws it."""
    path = f"docs/images/gallery-{theme}.svg"
    assert path in TEXT
    drawn = set(re.findall(r">(\w+)</text>", (ROOT / path).read_text()))
    everything = catalogue.activations() | catalogue.functions()
    assert drawn == {name for name, found in everything.items() if curves.function_of(found) is not None}
    assert len(drawn) > len(catalogue.activations())
