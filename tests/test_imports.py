"""Which room imports what, read from the source, and what `import jaxact` loads."""

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(importlib.util.find_spec("jaxact").origin).parents[1]  # of the checkout, or of what is installed

# room -> the modules it may import, as prefixes; the longest room that fits a file holds
STANDARD = {"__future__", "abc", "bisect", "collections", "contextlib", "contextvars", "dataclasses"}
STANDARD |= {
    "decimal",
    "difflib",
    "enum",
    "fractions",
    "functools",
    "importlib",
    "inspect",
    "itertools",
    "json",
    "math",
    "numbers",
    "operator",
    "os",
}
STANDARD |= {"textwrap", "types", "typing", "warnings", "re", "string"}
ARITHMETIC = {"jax", "jax.numpy", "jax.lax", "numpy", "jaxact._src.coefficients", "jaxact._src.roots"}
SHELL = {"flax", "jax"} | {
    f"jaxact._src.{n}" for n in ("checks", "gated_mlp", "layers", "modules", "select", "sharing", "trainable")
}
ROOMS = {
    "pallas_kernels": {"jax", "numpy", "pallas_kernels"},
    "jaxact/_src/arithmetic.py": ARITHMETIC,
    "jaxact/_src/elementary.py": ARITHMETIC | {"jaxact._src.arithmetic"},
    "jaxact/_src/words.py": ARITHMETIC | {"jaxact._src.arithmetic"},
    "jaxact/_src/phase.py": ARITHMETIC | {"jaxact._src.arithmetic", "jaxact._src.words"},
    "jaxact/_src/coefficients.py": set(),
    "jaxact/activations": {
        "jax",
        "jax.numpy",
        "jax.lax",
        "numpy",
        "jaxact._src.checks",
        "jaxact._src.definition",
        "jaxact._src.elementary",
        "jaxact._src.function",
        "jaxact._src.mapped",
        "jaxact._src.phase",
        "jaxact._src.roots",
        "jaxact._src.rowwise",
        "jaxact._src.select",
        "jaxact._src.words",
        "jaxact.activations",
    },
    "jaxact/linen": SHELL | {"jaxact.linen"},
    "jaxact/nnx": SHELL | {"jaxact.nnx", "numpy"},
    "tests/oracle": {"numpy", "scipy", "mpmath", "."},
}
# there `jax` is not leave to import jax.anything
EXACT = {f"jaxact/_src/{name}.py" for name in ("arithmetic", "elementary", "words", "phase")} | {
    "jaxact/activations"
}
PRIVATE_ROOM = "jaxact/_src/internals.py"  # the one module that may touch jax._src, with reasons


def root(path: Path) -> Path:
    return Path(__file__).parents[1] if path.parts[0] == "tests" else ROOT


def sources(folder: str) -> list[Path]:
    own = root(Path(folder))
    return sorted(p.relative_to(own) for p in (own / folder).rglob("*.py"))


def imports(path: Path, top_level_only: bool = False) -> set[str]:
    """The modules a file imports; `from jax import lax` counts as jax.lax where that is a module."""
    tree = ast.parse((root(path) / path).read_text())
    found = set()
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            found |= {f"{base}.{a.name}" if _is_module(f"{base}.{a.name}") else base for a in node.names}
    return found


def _is_module(name: str) -> bool:
    if name.startswith("."):
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def type_checking_only(path: Path) -> set[str]:
    """Imports under `if TYPE_CHECKING:`, which never run."""
    tree = ast.parse((root(path) / path).read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for inner in node.body:
                if isinstance(inner, ast.ImportFrom):
                    found.add(inner.module or "")
    return found


def allowed(name: str, room: str) -> bool:
    if name.split(".", maxsplit=1)[0] in STANDARD:
        return True
    if name.startswith("."):
        return "." in ROOMS[room]
    if room in EXACT and name.split(".", maxsplit=1)[0] == "jax":
        return name in ROOMS[room]
    return any(name == a or name.startswith(f"{a}.") for a in ROOMS[room])


@pytest.mark.parametrize("room", ROOMS)
def test_rooms(room):
    files = [Path(room)] if room.endswith(".py") else sources(room)
    assert files
    wrong = {str(f): [n for n in imports(f) if not allowed(n, room)] for f in files}
    assert {f: names for f, names in wrong.items() if names} == {}


def test_only_the_engine_extends_jax():
    users = [
        str(f)
        for f in sources("jaxact")
        if any(n.startswith(("jax.extend", "jax.interpreters")) for n in imports(f))
    ]
    assert users == [str(Path("jaxact/_src/engine.py"))]


def test_only_one_room_knows_the_kernels():
    users = {str(f) for f in sources("jaxact") if any(n.startswith("pallas_kernels") for n in imports(f))}
    assert users == {"jaxact/_src/kernels.py"}


def test_nothing_private_of_jax():
    for folder in ("jaxact", "pallas_kernels"):
        for f in sources(folder):
            names = {n for n in imports(f) if n.startswith("jax._src")}
            assert not names or str(f) == PRIVATE_ROOM, f"{f} imports {names}"
            if str(f) != PRIVATE_ROOM:
                assert "jax._src" not in (ROOT / f).read_text(), f


def test_the_package_itself_imports_neither_flax_nor_kernels():
    for f in sources("jaxact"):
        eager = imports(f, top_level_only=True) - type_checking_only(f)
        tops = {n.split(".")[0] for n in eager}
        shells = f.parts[1] in ("linen.py", "nnx.py", "linen", "nnx", "convert.py", "testing.py", "cli.py")
        assert "pallas_kernels" not in tops, f"{f}: import it lazily, a failure becomes the reason"
        assert "flax" not in tops or shells, f


LOADED = """
import json, sys
import jax
before = set(sys.modules)
import jaxact
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def loaded() -> list[str]:
    """The modules that `import jaxact` loads beyond those of jax."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run(
        [sys.executable, "-c", LOADED], env=environment, cwd=ROOT, check=True, capture_output=True, text=True
    )
    return json.loads(run.stdout)


def test_import_is_light():
    """No heavy module comes along; `python -m benchmarks overhead` measures the time (50 ms are allowed)."""
    modules = loaded()
    heavy = [m for m in modules if "flax" in m or "pallas" in m or m.split(".")[0] in ("torch", "keras", "scipy")]
    assert heavy == []


def test_import_does_not_start_jax():
    """`jax.distributed.initialize` comes after the imports and before anything is computed."""
    packages = "jaxact.nnx, jaxact.linen, jaxact.convert, jaxact.testing, jaxact.cli"
    code = f"import jax, {packages}; jax.config.update('jax_num_cpu_devices', 3); print(jax.device_count())"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=False, capture_output=True, text=True
    )
    assert run.stdout == "3\n", run.stderr
