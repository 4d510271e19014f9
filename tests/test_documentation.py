"""The code in the README and in the guides runs, block after block, as a reader would run it."""

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
