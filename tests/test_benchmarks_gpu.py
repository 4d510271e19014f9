"""`python -m benchmarks gpu` without a GPU: its self-test, failures, budget and page, and how it reads traces."""

import functools
import json
import pathlib

import jax
import jax.numpy as jnp
import pytest

import jaxact
from benchmarks import __main__ as program
from benchmarks.gpu import cases, command, figures, interpreted, page, run, tune
from benchmarks.gpu.case import Case, Operand
from benchmarks.gpu.clock import DeviceClock, HostClock, Program
from benchmarks.gpu.measure import KERNEL, PLAIN, REFERENCE, SELECTED, Effort
from pallas_kernels import config, row_plan

ROOT = pathlib.Path(__file__).parents[1]
LITTLE = Effort(rounds=2, number=1, past_cache=1)
NO_KERNELS = interpreted.why_not()
# One of each way through the program: in context, with PyTorch where it is installed, pulled back with sums.
CHOSEN = (
    "context/MLP gelu/forward",
    "gated/swiglu/forward",
    "parametric/prelu by channel/backward",
)


def chosen(found):
    return [next(c for c in found if c.id.startswith(name)) for name in CHOSEN]


def case(function=jaxact.silu, plain=jax.nn.silu, name="silu"):
    return Case("elementwise", name, "forward", (Operand((2, 128), "float32"),), function, plain, 0)


def report_of(path, found, clock=None, seconds=60.0):
    return run.run(found, clock or HostClock(), LITTLE, budget=run.Budget(seconds), path=path, label="gpu")


def test_the_selftest_checks_times_and_reports(tmp_path, monkeypatch):
    monkeypatch.setattr(cases, "representatives", chosen)
    assert program.main(["gpu", "--selftest", "--out", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "gpu.json").read_text())
    assert [r["id"].rsplit("/", 2)[0] for r in report["rows"]] == list(CHOSEN)
    for row in report["rows"]:
        assert {REFERENCE, PLAIN} <= set(row["seconds"]), row["problems"]
        timed = SELECTED if row["part"] == "context" else KERNEL
        if timed == KERNEL and NO_KERNELS:
            assert row["problems"][KERNEL] == NO_KERNELS
        else:
            assert row["seconds"][timed]["median"] > 0, row["problems"]
        assert row["selected"][0]["implementation"] == "reference"
    torch = report["opponents"]["torch"]
    assert ("torch" in report["rows"][1]["seconds"]) == (torch == "takes part"), report["rows"][1]["problems"]
    text = (tmp_path / "gpu_timed.md").read_text()
    assert "A self-test, no times of a GPU" in text
    assert (tmp_path / "images/gpu-gated.png").stat().st_size > 1000


def test_the_page_of_the_docs_is_that_of_the_results(tmp_path):
    path = command.RESULTS / "gpu.json"
    report = json.loads(path.read_text()) if path.is_file() else None
    assert report is None or report["on_device"]
    assert (ROOT / "docs" / page.NAME).read_text() == page.text(report, tmp_path)


def test_a_case_that_fails_or_is_wrong_is_reported_and_the_others_go_on(tmp_path):
    def broken(x, implementation):
        raise RuntimeError("no such thing")

    def bumped(x):  # one result of 256 is off
        return jax.nn.silu(x).at[0, 0].add(0.01)

    def off(x, implementation):
        return jaxact.silu(x, implementation=implementation) if implementation == "inline" else bumped(x)

    found = [case(broken, name="broken"), case(off, bumped, name="off"), case()]
    first, second, third = report_of(tmp_path / "gpu.json", found)["rows"]
    assert "no such thing" in first["problems"]["case"]
    assert second["problems"][REFERENCE].startswith("wrong: 0.39% of the results off")
    assert set(second["seconds"]) == {"copy", "copy by XLA", PLAIN}, "others may differ at kinks"
    assert REFERENCE in third["seconds"]
    assert command._is_failure(REFERENCE, second["problems"][REFERENCE])


def test_the_budget_ends_a_run_and_names_what_is_left(tmp_path):
    found = [case(name="a"), case(name="b")]
    report = report_of(tmp_path / "gpu.json", found, seconds=0.0)
    assert report["left_out"] == [c.id for c in found]
    assert {a["verdict"] for a in report["aims"]} == {"not measured"}
    assert json.loads((tmp_path / "gpu.json").read_text())["left_out"] == report["left_out"]


def test_a_kind_of_batch_that_takes_too_long_keeps_no_other_from_running():
    budget = run.Budget(100.0)
    budget.spent(200.0, "context")
    budget.spent(2.0)
    assert not budget.allows_another("context")
    assert budget.allows_another()


def test_a_run_that_is_killed_leaves_what_it_had(tmp_path, monkeypatch):
    class Killed(HostClock):
        calls = 0

        def time(self, programs, **how):
            self.calls += 1
            if self.calls > 1:
                raise KeyboardInterrupt
            return super().time(programs, **how)

    monkeypatch.setattr(run, "TOGETHER", 1)
    with pytest.raises(KeyboardInterrupt):
        report_of(tmp_path / "gpu.json", [case(name="a"), case(name="b")], Killed())
    assert [r["name"] for r in json.loads((tmp_path / "gpu.json").read_text())["rows"]] == ["a"]


# -- traces -------------------------------------------------------------------------------------------------------


def line(name, events):
    """A line of a trace: (name, start, duration) in microseconds."""
    at = "".join(
        f"events {{ metadata_id: {NAMES[n]} offset_ps: {int(1e6 * s)} duration_ps: {int(1e6 * d)} }} "
        for n, s, d in events
    )
    return f'lines {{ name: "{name}" timestamp_ns: 1000 {at} }} '


NAMES = {"timed 0 0": 1, "timed 0 1": 2, "timed 1 0": 3, "timed 1 1": 4, "kernel": 5}
MARKS = line(
    "python", [("timed 0 0", 0, 99), ("timed 0 1", 100, 99), ("timed 1 0", 200, 99), ("timed 1 1", 300, 99)]
)


def trace(*gpu_lines):
    names = "".join(f'event_metadata {{ key: {i} value {{ id: {i} name: "{n}" }} }} ' for n, i in NAMES.items())
    planes = {"/host:CPU": MARKS, "/device:GPU:0": "".join(gpu_lines)}
    text = "".join(f'planes {{ name: "{n}" {lines} {names} }} ' for n, lines in planes.items())
    return jax.profiler.ProfileData.from_text_proto(text)


KERNELS = [("kernel", 10, 4), ("kernel", 20, 4), ("kernel", 120, 8), ("kernel", 210, 6), ("kernel", 310, 8)]


def test_seconds_are_those_in_which_the_streams_were_busy():
    overlapping = [("kernel", 12, 4), ("kernel", 312, 2)]
    clock = DeviceClock()
    found = clock.read(
        trace(
            line("Stream #7(Compute)", KERNELS),
            line("Stream #9(MemcpyD2D)", overlapping),
            line("XLA Modules", [("kernel", 0, 90)]),
        ),
        ["first", "second"],
        2,
    )
    assert found["first"] == pytest.approx([5e-6, 3e-6])
    assert found["second"] == pytest.approx([4e-6, 4e-6])
    assert clock.profile == {
        "first": {"kernel": pytest.approx(4.5e-6)},
        "second": {"kernel": pytest.approx(4.5e-6)},
    }


def test_a_trace_with_nothing_or_something_elsewhere_is_refused():
    with pytest.raises(ValueError, match="holds nothing of second"):
        DeviceClock().read(trace(line("Stream #7(Compute)", [*KERNELS[:2], *KERNELS[3:]])), ["first", "second"], 1)
    with pytest.raises(ValueError, match="clocks of host and device differ"):
        DeviceClock().read(trace(line("Stream #7(Compute)", [*KERNELS, ("kernel", 195, 10)])), ["a", "b"], 1)
    with pytest.raises(ValueError, match="holds no mark"):
        DeviceClock().read(jax.profiler.ProfileData.from_text_proto(""), ["a"], 1)


def test_a_profiler_that_sees_no_gpu_is_found_out_at_once():
    assert "the trace holds nothing of one on /device:GPU:0" in DeviceClock().check()


def test_a_real_trace_is_read():
    """That of the CPU, whose worker threads are taken for streams."""
    x = jnp.ones((256, 256))
    product = jax.jit(lambda v: v @ v).lower(x).compile()
    clock = DeviceClock(plane="/host:CPU", stream="tf_")
    found = clock.time(
        {"a": Program(lambda _: product(x)), "b": Program(lambda _: product(x))}, rounds=3, number=2
    )
    assert {name: len(seconds) for name, seconds in found.items()} == {"a": 3, "b": 3}


# -- aims ---------------------------------------------------------------------------------------------------------


def row(name, part="elementwise", dtype="bfloat16", columns=8192, implementation="pallas", **seconds):
    found = {k.replace("_", " "): {"median": s, "low": s, "high": s} for k, s in seconds.items()}
    return {
        "id": name,
        "name": name,
        "part": part,
        "dtype": dtype,
        "shape": [4, columns],
        "seconds": found,
        "problems": {},
        "selected": [{"what": "value", "implementation": implementation, "reason": ""}],
    }


def test_each_aim_is_met_short_or_not_measured():
    rows = [
        row("silu", kernel=1.0, copy=0.95, copy_by_XLA=0.97, plain=1.2, reference=1.1),
        row("mish", kernel=1.0, copy=0.5, plain=1.2, reference=0.9),
        row("sparsemax", "rowwise", kernel=1.0, copy=0.5, plain=9.0, reference=1.0),
        row("softmax", "rowwise", columns=131072, kernel=2.0, copy=1.3, plain=1.0, reference=1.0),
    ]
    found = {v["aim"].split(":")[0]: v for v in figures.verdicts(rows)}
    assert [v["verdict"] for v in found.values()] == [
        "met",
        "not measured",
        "short of",
        "met",
        "short of",
        "short of",
        "short of",
    ]
    assert [s["id"] for s in found["what is selected by default"]["short"]] == ["softmax"]
    assert [s["id"] for s in found["kernels selected by default"]["short"]] == ["mish", "softmax"]


def test_noise_excuses_what_is_slower_by_less():
    aim = figures.AIMS[4]
    slower = row("silu", kernel=1.03, plain=1.0, reference=1.0, reference_again=1.05)
    assert not aim.short(slower)
    assert aim.short(row("silu", kernel=1.03, plain=1.0, reference=1.0, reference_again=1.01))


# -- tuning -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(NO_KERNELS is not None, reason=str(NO_KERNELS))
def test_tuning_writes_a_table_that_the_kernels_read(tmp_path, monkeypatch):
    def few(sizes, table, every=tune.searches):
        return [s for s in every(sizes, table) if s.name in ("gated_unroll from 2048", "softmax bfloat16 to 256")]

    monkeypatch.setattr(tune, "searches", few)
    assert program.main(["gpu", "--selftest", "--tune", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "tuned.json").read_text()
    (entry,) = json.loads(text).values()
    assert set(entry["evidence"]["searches"]) == {"gated_unroll from 2048", "softmax bfloat16 to 256"}
    for search in entry["evidence"]["searches"].values():
        assert not search["problems"]
        assert all(len(medians) > 1 for medians in search["seconds"].values())
    (found,) = config.read(text).values()
    with config.use(found):
        assert config.for_size(config.parameters().gated_unroll, 10**9) in (1, 2)
        assert row_plan.plan("softmax", 200).longest == 256
        assert row_plan.longest("softmax") == 512 * 1024
    assert row_plan.plan("softmax", 200).longest == 16 * 1024


def test_tuning_goes_on_where_it_ended(tmp_path, monkeypatch):
    """Part by part, in several calls; what was searched is not searched again, and reaches the table."""
    made = []

    def last(search, clock, effort):
        made.append(search.name)
        return {"default": next(iter(search.candidates)), "chosen": list(search.candidates)[-1], "seconds": {}}

    monkeypatch.setattr(tune, "_search", last)
    path = tmp_path / "tuned.json"
    for only in ("softmax bfloat16", "softmax_backward", ""):
        tune.main(HostClock(), LITTLE, run.Budget(60.0), sizes=tune.TINY, path=path, only=only)
    assert made[:3] == [
        "softmax bfloat16 to 256",
        "softmax_backward bfloat16 to 256",
        "softmax_backward float32 to 256",
    ]
    assert sorted(made) == sorted(s.name for s in tune.searches(tune.TINY, tune.Table()))
    (entry,) = json.loads(path.read_text()).values()
    assert (len(entry["evidence"]["runs"]), entry["evidence"]["left_out"]) == (3, [])
    (found,) = config.read(path.read_text()).values()
    with config.use(found):
        assert row_plan.plan("softmax", 256) == row_plan.Plan(256, 0, 1, 1)
        assert row_plan.plan("softmax_backward", 200, 4) == row_plan.Plan(0, 256, 1, 1)
        assert row_plan.plan("entmax_backward", 200) == row_plan.Plan(256, 0, 1, 1)
        assert row_plan.plan("entmax", 40_000) == row_plan.PLANS["entmax"][1]
        assert config.parameters().reduce_rows == 64


def test_a_faster_candidate_is_chosen_and_a_wrong_one_is_not():
    class Fixed(HostClock):
        def time(self, programs, **how):
            return {name: [{"1": 1.0, "2": 0.5, "4": 0.99}[name]] * 3 for name in programs}

    def through(implementation, x):
        return x * (2.0 if config.parameters().gated_unroll == ((0, 2),) and implementation != "inline" else 1.0)

    candidates = {n: config.Parameters(gated_unroll=((0, int(n)),)) for n in ("1", "2", "4")}
    wrong = case(lambda x, implementation: through(implementation, x))
    made = functools.partial(tune.Search, "gated", candidates=candidates, keep=lambda *_: None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpreted, "through_kernels", lambda f: f)
        outcome = tune._search(made(cases=(wrong,)), Fixed(), LITTLE)
        assert outcome["chosen"] == "1"
        assert outcome["problems"]["2"].startswith("wrong")
        assert tune._search(made(cases=(case(),)), Fixed(), LITTLE)["chosen"] == "2"


@pytest.mark.skipif(NO_KERNELS is not None, reason=str(NO_KERNELS))
def test_a_program_has_the_parameters_that_it_is_lowered_with():
    x = jax.ShapeDtypeStruct((2**20,), "float32")

    def lowered(parameters):
        silu = functools.partial(jaxact.silu, implementation="pallas")
        with config.use(parameters):
            return jax.jit(silu).trace(x).lower(lowering_platforms=("cuda",)).as_text()

    one, two = (lowered(config.Parameters(elementwise_unroll=((0, n),))) for n in (1, 2))
    assert one != two == lowered(config.DEFAULT)


def test_a_table_with_unknown_parameters_is_refused():
    with pytest.raises(ValueError, match=r"unknown \['speed'\]"):
        config.read('{"9.0": {"speed": 3}}')
    with pytest.raises(ValueError, match="must be divisible by"):
        config.read('{"9.0": {"reduce_rows": 16, "reduce_rows_at_once": 3}}')


# -- the command line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "JAX runs on cpu here"),
        (["--selftest"], "--selftest needs --out"),
        (["--only", "columns"], "no such part"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments, reason, capsys):
    with pytest.raises(SystemExit):
        program.main(["gpu", *arguments])
    assert reason in capsys.readouterr().err
