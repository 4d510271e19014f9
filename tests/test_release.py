"""What a release consists of agrees: version, changelog, tag, and the measurements that the package tells."""

import json
import os
import re
from importlib import resources
from pathlib import Path

import pytest

import jaxact

ROOT = Path(__file__).parents[1]


def test_the_changelog_is_that_of_the_version():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    if ".dev" in jaxact.__version__:
        assert headings[0] == "Unreleased", "what is being worked on"
    else:
        assert next(h for h in headings if h != "Unreleased") == jaxact.__version__


@pytest.mark.skipif(os.environ.get("GITHUB_REF_TYPE") != "tag", reason="no tag is being published")
def test_the_tag_is_the_version():
    assert os.environ["GITHUB_REF_NAME"] == f"v{jaxact.__version__}"
    assert ".dev" not in jaxact.__version__


def test_accuracy_is_that_of_the_last_measurement():
    """What the package tells is what `make accuracy` wrote beside docs/accuracy.md."""
    worst: dict = {}
    for row in json.loads((ROOT / "benchmarks" / "results" / "accuracy.json").read_text())["rows"]:
        if row["library"] == "jaxact":
            key = (row["name"], row["dtype"], row["order"])
            worst[key] = max(worst.get(key, 0.0), float(row["worst"]))
    shipped = json.loads(resources.files("jaxact._src").joinpath("accuracy.json").read_text())
    told = {(n, d, o): v for n, ds in shipped.items() for d, orders in ds.items() for o, v in enumerate(orders)}
    assert set(told) == set(worst)
    assert all(worst[key] <= v < worst[key] + 0.011 for key, v in told.items())
