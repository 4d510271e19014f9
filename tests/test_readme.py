"""The code in the README runs, block after block, as a reader would run it."""

import pathlib
import re

from support import forgetting

README = pathlib.Path(__file__).parent.parent / "README.md"


def test_code_blocks_run(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(blocks) >= 4
    namespace: dict = {}
    with forgetting():
        for block in blocks:
            exec(compile(block, str(README), "exec"), namespace)
    printed = capsys.readouterr().out
    assert "(8, 128)" in printed
    assert "silu" in printed
