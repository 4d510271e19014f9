"""Threads and processes: calls at the same time, fork and spawn, two processes as one, and odd interpreters."""

import concurrent.futures
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import jax
import numpy as np
from cases import DEFAULTS
from support import close, exact, points

import jaxact

ROOT = Path(__file__).parent.parent


def python(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """A Python of its own, on one CPU device."""
    own = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "PYTHONWARNINGS")}
    own |= {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1"} | environment
    return subprocess.Popen(
        [sys.executable, *arguments], env=own, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finished(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What a process wrote; raise unless it ended well."""
    try:
        out, err = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode == 0, err[-3000:]
    return out, err


# -- threads ------------------------------------------------------------------------------------------------------

THREADS = 16


def test_threads_compile_and_call_at_the_same_time():
    """Each calls the same activations in an order of its own, with requests of its own, from the same start."""
    chosen = DEFAULTS[::16]
    start = threading.Barrier(THREADS)

    def work(seed: int) -> list[str]:
        order = np.random.default_rng(seed).permutation(len(chosen))
        request = (None, "reference", "inline")[seed % 3]
        start.wait()
        with jaxact.use(implementation=request):
            for i in order:
                x = points(chosen[i], (3, 5))
                close(chosen[i](x), exact(chosen[i], x))
                close(jax.grad(lambda v, c=chosen[i]: c(v).sum())(x), exact(chosen[i], x, 1))
            return [request, jaxact._src.select.requested()]

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        for asked, seen in pool.map(work, range(THREADS)):
            assert seen == asked


def test_threads_register_at_the_same_time():
    from support import forgetting

    def define(i: int) -> Any:
        return jaxact.elementwise(name=f"test thread {i}")(lambda x, a=0.5: x * a)

    with forgetting(), concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        made = list(pool.map(define, range(THREADS)))
        assert [jaxact.get(f"test thread {i}") for i in range(THREADS)] == made


# -- processes ----------------------------------------------------------------------------------------------------

# Before a fork nothing may have started a backend, as JAX says; importing jaxact starts none.
CHILDREN = """
import multiprocessing, sys
import jaxact
bound = jaxact.get("leaky_relu", negative_slope=0.5)

def work(activation):
    import numpy as np
    return activation(np.array([-2.0, 2.0], np.float32)).tolist()

if __name__ == "__main__":
    for way in ("fork", "spawn"):
        context = multiprocessing.get_context(way)
        with context.Pool(1) as pool:
            for activation, wanted in ((bound, [-1.0, 2.0]), (jaxact.relu, [0.0, 2.0])):
                assert pool.apply(work, (activation,)) == wanted, way
    assert work(bound) == [-1.0, 2.0]
"""


def test_fork_and_spawn(tmp_path):
    script = tmp_path / "children.py"
    script.write_text(CHILDREN)
    finished(python(str(script)))


TWO = """
import sys
import jax, numpy as np
jax.config.update("jax_num_cpu_devices", 2)
jax.distributed.initialize("localhost:{port}", 2, {index})
import jaxact
from jax.sharding import NamedSharding, PartitionSpec as P
assert jax.process_count() == 2 and len(jax.devices()) == 4
mesh = jax.make_mesh((4,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))
whole = np.linspace(-3, 3, 32, dtype=np.float32).reshape(8, 4)
x = jax.make_array_from_callback(whole.shape, NamedSharding(mesh, P("d")), lambda i: whole[i])
slope = jax.make_array_from_callback((4,), NamedSharding(mesh, P()), lambda i: np.full(4, 0.25, np.float32)[i])

@jax.jit
def both(x, slope):
    loss = lambda x, s: (jaxact.prelu(x, s) + jaxact.softmax(x, 0)).sum()
    return jax.grad(loss, (0, 1))(x, slope)

dx, dslope = both(x, slope)
np.testing.assert_allclose(dslope.addressable_data(0), np.minimum(whole, 0).sum(0), rtol=1e-5)
for shard in dx.addressable_shards:
    np.testing.assert_allclose(shard.data, np.where(whole[shard.index] > 0, 1, 0.25), atol=1e-5)
print("agreed")
"""


def test_two_processes_as_one():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    both = [python("-c", TWO.format(port=port, index=i)) for i in (0, 1)]
    for process in both:
        out, _ = finished(process)
        assert "agreed" in out


# -- interpreters -------------------------------------------------------------------------------------------------

CALL = """
import numpy as np
import jaxact
x = np.array([-2.0, 2.0], np.float32)
assert_equal = lambda a, b: None if np.array_equal(a, b) else exit(f"{a} is not {b}")
assert_equal(jaxact.leaky_relu(x, 0.5), [-1.0, 2.0])
assert_equal(jaxact.get("relu")(x), [0.0, 2.0])
try:
    jaxact.relu(x, slope=1)
except TypeError:
    print("refused")
"""


ROOMS = "import jaxact.cli, jaxact.convert, jaxact.linen, jaxact.nnx, jaxact.testing"


def test_warnings_are_errors_and_imports_are_timed():
    """From the start of the interpreter on, so JAX's and Flax's own imports too."""
    out, err = finished(python("-W", "error", "-X", "importtime", "-c", f"{CALL}{ROOMS}"))
    assert out.strip() == "refused"
    assert "jaxact._src.engine" in err


def test_without_assertions_and_docstrings():
    code = f"{CALL}import jaxact.linen, jaxact.nnx\nprint(jaxact.nnx.PReLU(0.25)(x).tolist(), __debug__)"
    out, _ = finished(python("-OO", "-c", code))
    assert out.split("\n")[:2] == ["refused", "[-0.5, 2.0] False"]


HOMELESS = """
import os
for place in ("HOME", "XDG_CACHE_HOME", "TMPDIR"):
    try:
        os.makedirs(os.environ[place])
    except OSError:
        continue
    exit(f"{place} can be made")
os.chdir("/proc")  # no place for files either
"""


def test_a_home_that_cannot_be_written_to(tmp_path):
    """Below a file there are no folders, whoever asks; a mode would not keep root from writing."""
    (tmp_path / "file").touch()
    home = tmp_path / "file" / "home"
    where = {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "TMPDIR": str(home)}
    out, _ = finished(python("-B", "-c", f"{HOMELESS}{CALL}{ROOMS}", **where))
    assert out.strip() == "refused"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_first_call_of_a_thread_is_the_default():
    with jaxact.use(implementation="reference"), concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(jaxact._src.select.requested).result() is None
