"""The code in the README and in the guides runs, block after block, as a reader would run it."""

import importlib
import pathlib
import re

import pytest
from support import forgetting

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "docs" / "index.md", ROOT / "docs" / "quickstart.md"]
PAGES += sorted((ROOT / "docs" / "guides").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_code_blocks_run(page):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    assert blocks, "a page without code needs no place in this list"
    namespace: dict = {}
    with forgetting():
        for block in blocks:
            exec(compile(block, str(page), "exec"), namespace)


@pytest.mark.parametrize("name", ["softcap", "softmax", "swiglu_oai"])
def test_examples_on_derived_pages_run(name, monkeypatch):
    """Those that the site puts on an activation's page: of one with a parameter, one of rows, one gated."""
    pytest.importorskip("latex2mathml", reason="the site needs jaxact[docs]")
    pytest.importorskip("mkdocs", reason="the site needs jaxact[docs]")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    hooks = importlib.import_module("hooks")
    (entry,) = (e for e in hooks.overview.entries() if e.name == name)
    (code,) = re.findall(r"## Use\n\n```python\n(.*?)```", hooks.page_of(entry), flags=re.DOTALL)
    with forgetting():
        exec(compile(code, name, "exec"), {})
