"""The ``jaxact`` command: what it prints, as text and as JSON, and one line for what a user gets wrong."""

import io
import json
import sys

import pytest
from cases import builtin, rowwise
from standin import fixture  # noqa: F401

import jaxact
from jaxact._src import selfcheck
from jaxact.cli import main
from pallas_kernels import capability


def run(capsys, *argv: str) -> str:
    assert main(argv) == 0
    return capsys.readouterr().out


def data(capsys, *argv: str):
    return json.loads(run(capsys, *argv, "--json"))


def test_list_has_everything(capsys):
    listed = {row["name"] for row in data(capsys, "list")}
    assert {*builtin(), *rowwise(), "swiglu", "rational"} <= listed
    assert listed <= set(jaxact.__all__)


def test_list_filters(capsys):
    rows = data(capsys, "list", "--kind", "rows")
    assert {row["name"] for row in rows} == set(rowwise())
    assert "hard_silu" in {row["name"] for row in data(capsys, "list", "SWISH", "--kind", "elementwise")}
    assert {"prelu", "rational", "snake"} <= {row["name"] for row in data(capsys, "list", "--kind", "trainable")}
    assert "swiglu" in run(capsys, "list", "swiglu")
    told = " ".join(run(capsys, "list", "gelu_clipped").split())  # a narrow terminal breaks lines
    assert "[min_val, max_val]" in told, "brackets are no markup"
    assert data(capsys, "list", "no such") == []
    assert "no activation has 'no such'" in run(capsys, "list", "no such")


def test_show(capsys):
    shown = data(capsys, "show", "Leaky-ReLU")
    assert shown["name"] == "leaky_relu"
    assert shown["names"]["keras"] == ["leaky_relu"]
    assert "negative_slope" in shown["parameters"]
    assert shown["memory"].startswith("keeps the output")
    assert set(shown["accuracy"]) == {"bfloat16", "float16", "float32"}
    assert set(data(capsys, "show", "entmax")["accuracy"]) == set(shown["accuracy"])
    text = run(capsys, "show", "mish", "--between", "-3", "3")
    assert "arXiv:1908.08681" in text
    assert "f''" in text
    assert "⠤" in text


def test_show_what_has_no_record(capsys):
    assert "arXiv:2002.05202" in run(capsys, "show", "swiglu")
    assert data(capsys, "show", "swiglu")["memory"].startswith("keeps the input")
    assert data(capsys, "show", "glu")["names"]["torch"] == ["glu"]
    assert data(capsys, "show", "rrelu")["kind"] == "trainable"


@pytest.mark.parametrize("name", ["softcap", "softmax", "entmax", "swiglu_oai", "rational"])
def test_show_what_needs_a_parameter_or_a_row_or_has_no_record(name, capsys):
    assert "f'" in run(capsys, "show", name)


def test_compare_draws_into_a_file(tmp_path, capsys):
    path = tmp_path / "curves.svg"
    assert str(path)[-20:] in run(capsys, "compare", "gelu", "silu", "--plot", str(path)).replace("\n", "")
    assert path.read_text().count("<svg") == 1


@pytest.mark.parametrize("command", ["show", "compare"])
def test_a_plot_without_matplotlib(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main([command, "gelu", "--plot", str(tmp_path / "a.svg")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "jaxact[plot]" in err


def test_show_without_plotille_says_so(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotille", None)
    assert "plotille is not installed" in run(capsys, "show", "gelu")


def test_doctor(capsys):
    found = data(capsys, "doctor")
    assert found["versions"]["jaxact"] == jaxact.__version__
    assert {d["platform"] for d in found["devices"]} == {"cpu"}
    assert not found["kernels"]["available"]
    assert found["kernels"]["reason"] in run(capsys, "doctor").replace("\n", " ")


def test_selfcheck_without_a_gpu_says_so_for_each(capsys):
    rows = data(capsys, "doctor", "--selfcheck")
    assert {row["status"] for row in rows} == {"cannot run"}
    assert all("kernels" in row["detail"] for row in rows), rows
    names = [row["name"] for row in rows]
    assert len(set(names)) == len(names) > 40
    kinds = {case.kernel()[3].kind for case in selfcheck.CASES}
    assert kinds == set(capability.DTYPES), "each kind of kernel is checked"


@pytest.mark.parametrize("spoiled", [False, True])
def test_selfcheck_runs_each_kernel(spoiled, standin, monkeypatch, capsys):
    """With kernels that this machine can run in the place of those for GPUs."""
    known = (
        "gelu bfloat16",
        "prelu, one slope, backward",
        "softmax float32 1023",
        "softmax float32 1023, backward",
    )
    monkeypatch.setattr(selfcheck, "CASES", [c for c in selfcheck.CASES if c.name in known])
    if spoiled:
        standin.spoil = lambda v: v * 1.1
    assert main(["doctor", "--selfcheck", "--json"]) == int(spoiled)
    rows = json.loads(capsys.readouterr().out)
    assert [row["status"] for row in rows] == ["failed" if spoiled else "ok"] * len(known)
    assert all(("where the largest result is" in row["detail"]) is spoiled for row in rows)
    assert set(standin.names) == {"elementwise", "reduce", "softmax", "softmax_backward"}


def test_explain(capsys):
    (row,) = data(capsys, "explain", "jaxact:silu", "--shape", "8,4096", "--dtype", "bf16")
    assert (row["name"], row["shapes"], row["dtypes"]) == ("silu", [[8, 4096]], ["bfloat16"])
    assert row["reason"]
    (on_gpu,) = data(capsys, "explain", "jaxact:entmax15", "--shape", "8,4096", "--gpu", "h200")
    runnable = capability.why_not("rowwise", platform="cuda", compute_capability="9.0") is None
    assert on_gpu["implementation"] == ("pallas" if runnable else "reference")
    assert "silu" in run(capsys, "explain", "jaxact:silu", "--shape", "")


def test_convert(capsys):
    assert data(capsys, "convert", "leaky_relu", "--from", "keras") == {
        "name": "leaky_relu",
        "params": {"negative_slope": 0.2},
    }
    layer = data(
        capsys, "convert", '{"class_name": "ELU", "config": {"alpha": 0.5}}', "--from", "torch", "--to", "keras"
    )
    assert (layer["class_name"], layer["config"]["alpha"]) == ("ELU", 0.5)


def test_bench(capsys):
    with_peer, alone = data(capsys, "bench", "silu", "softcap", "--size", "64", "--rounds", "3")
    assert with_peer["both"]["of_jax_nn"] > 0
    assert "of_jax_nn" not in alone["forward"]


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["show", "gelo"], ["unknown activation 'gelo'", "gelu"]),
        (["compare", "gelu", "nothing like it"], ["unknown activation"]),
        (["compare", "gelu", "maxout"], ["maxout has no curve"]),
        (["show", "gelu", "--between", "1", "-1"], ["--between", "got 1 and -1"]),
        (["show", "gelu", "--plot", "/no/such/folder/a.svg"], ["can't write /no/such/folder/a.svg"]),
        (["show", "gelu", "--plot", "a.nonsense"], ["can't write a.nonsense", "nonsense"]),
        (["show", "gelu", "--plot", "/"], ["ends in .svg", "got /"]),
        (["show", "gelu", "--between", "nan", "1"], ["--between", "got nan and 1"]),
        (["show", "gelu", "--between", "0", "1e39"], ["--between", "got 0 and 1e+39"]),
        (["show", "maxout", "--plot", "a.svg"], ["maxout has no curve"]),
        (["explain", "no_such_module:f", "--shape", "8"], ["can't import no_such_module"]),
        (["explain", "jaxact", "--shape", "8"], ["module:function", "'jaxact'"]),
        (["explain", "jaxact:nothing", "--shape", "8"], ["no function 'nothing'"]),
        (["explain", "jaxact:silu", "--shape", "8,x"], ["shape", "'8,x'"]),
        (["explain", "jaxact:silu", "--shape", "-8"], ["shape", "'-8'"]),
        (["explain", "jaxact:silu", "--shape", "8", "--dtype", "f17"], ["unknown dtype 'f17'", "bf16"]),
        (["explain", "jaxact:swiglu", "--shape", "8,3"], ["can't explain jaxact:swiglu", "odd size 3"]),
        (["explain", "jaxact:silu", "--shape", "8", "--gpu", "h900"], ["h900", "h200"]),
        (["convert", "gelu", "--from", "kera"], ["unknown dialect 'kera'", "keras"]),
        (["convert", '{"class_name": "Nothing"}', "--from", "keras"], ["Nothing"]),
        (["convert", "{", "--from", "keras"], ["Expecting"]),
        (["bench", "silu", "--dtype", "complex64"], ["complex64"]),
        (["bench", "silu", "--dtype", "int32"], ["float dtype", "'int32'"]),
        (["bench", "silu", "--dtype", "f64"], ["JAX_ENABLE_X64=1"]),
        (["bench", "silu", "--size", str(10**15)], ["too many"]),
        (["explain", "jaxact:silu", "--shape", "8", "--dtype", "f64"], ["JAX_ENABLE_X64=1"]),
    ],
)
def test_what_a_user_gets_wrong(argv, words, capsys):
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1, err
    assert all(word in err for word in words), err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "required: COMMAND"),
        (["no such command"], "invalid choice: 'no such command'"),
        (["list", "--kind", "x"], "invalid choice: 'x'"),
        (["bench", "silu", "--size", "0"], "at least 2, got '0'"),
        (["bench", "silu", "--rounds", "many"], "at least 2, got 'many'"),
    ],
)
def test_what_argparse_refuses(argv, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    assert stopped.value.code == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err


@pytest.mark.parametrize("argv", [["doctor"], ["show", "gelu"], ["bench", "gelu"]])
@pytest.mark.parametrize("error", [AssertionError(), RuntimeError("no such backend\nand so on")])
def test_without_a_device(argv, error, capsys, monkeypatch):
    def devices():
        raise error

    monkeypatch.setattr("jax.devices", devices)
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "JAX finds no device" in err


def test_a_terminal_without_the_letters(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(raw, encoding="ascii", write_through=True))
    assert main(["show", "gelu"]) == 0
    assert b"?" in raw.getvalue()
