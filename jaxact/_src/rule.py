"""The rule that `implementation=None` follows, as data: each row with the evidence that put it there.

A Pallas call is opaque, so it breaks the fusions around it, and lowering sees no neighbours. A kernel is chosen
where XLA moves at least 1.15 times its bytes for jaxact's own reference alone and in every context that is
compiled: after a GEMM, beside a residual add, beside a norm. Bytes are those of programs compiled for H200 and
B200, over the bytes that have to move: ``python -m benchmarks gpu_static``, whose figures for an H200 the rows
quote (docs/gpu_static.md). They are changed by that, not by hopes.
"""

import dataclasses
import math
from typing import Final, Literal

Direction = Literal["value", "tangent", "backward"]


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of the rule: what it is about, whether a kernel runs, and why.

    Attributes:
      families: The families of operations (see `Operation.family`).
      directions: Those it holds for.
      kernel: Whether a kernel is chosen.
      evidence: Why, in the words that `explain` shows.
      at_least: The elements of the shortest row that it holds for.
      at_most: The elements of the longest one.
      at_most_float32: The same of float32, of which registers hold fewer.
    """

    families: tuple[str, ...]
    directions: tuple[Direction, ...]
    kernel: bool
    evidence: str
    at_least: int = 0
    at_most: float = math.inf
    at_most_float32: float = math.inf

    def fits(self, family: str, direction: Direction, length: int, itemsize: int) -> bool:
        """Whether it holds for rows of so many elements, each of so many bytes."""
        longest = self.at_most if itemsize <= 2 else min(self.at_most, self.at_most_float32)
        known = family in self.families and direction in self.directions
        return known and self.at_least <= length <= longest


_ANY: Final[tuple[Direction, ...]] = ("value", "tangent", "backward")
_DIRECT: Final[tuple[Direction, ...]] = ("value", "backward")
_SOFTMAX: Final = ("softmax", "softmin", "log_softmax")
_SPARSE: Final = ("sparsemax", "entmax15", "entmax")
_OVER_ROWS: Final = (*_SOFTMAX, *_SPARSE, "act_quant")

# The first row that fits holds.
RULE: Final[tuple[Row, ...]] = (
    Row(_OVER_ROWS, _ANY, False, "rows of no elements, or of a number not known when lowered", at_most=0),
    Row(
        _OVER_ROWS,
        _DIRECT,
        False,
        "the kernels pad a row this short to 128 elements: they move up to 257 times the bytes of one pass",
        at_least=1,
        at_most=127,
    ),
    Row(
        _SPARSE,
        ("value",),
        True,
        "XLA moves 4.7 (float32) to 12.6 times the bytes of one pass; of longer rows 10.6 and the kernel 5.0",
        at_least=128,
        at_most_float32=24576,
    ),
    Row(
        _SPARSE,
        ("value",),
        False,
        "a row of float32 this long stays in no registers: beside a residual add XLA moves no more bytes",
        at_least=24577,
    ),
    Row(
        (*_SOFTMAX, *_SPARSE),
        ("backward",),
        False,
        "XLA keeps rows of up to 16384 elements on the chip and moves each byte once",
        at_most=16384,
    ),
    Row(
        ("entmax",),
        ("backward",),
        True,
        "a row this long does not stay on the chip: XLA moves 2.3 to 3.3 times the bytes, the kernel 1.0 to 1.7",
        at_least=16385,
        at_most_float32=32768,
    ),
    Row(
        ("entmax",),
        ("backward",),
        False,
        "a row of float32 this long stays in no registers: beside a norm's gradient XLA moves no more bytes",
        at_least=32769,
    ),
    Row(
        ("softmax", "softmin", "sparsemax", "entmax15"),
        ("backward",),
        False,
        "XLA moves 1.67 times the bytes of one pass, but beside a norm's gradient fewer than a kernel",
        at_least=16385,
    ),
    Row(
        ("log_softmax",),
        ("backward",),
        False,
        "a row this long is read twice by the kernel too: XLA moves no more bytes",
        at_least=16385,
    ),
    Row(
        _SOFTMAX,
        ("value",),
        False,
        "XLA reads a row this long twice, but beside a residual add it moves no more bytes than a kernel",
        at_least=16385,
    ),
    Row(
        ("act_quant",),
        ("value",),
        True,
        "XLA moves 3.7 (of two halves 2.6) times the bytes of one pass",
        at_least=128,
        at_most_float32=36864,
    ),
    Row(
        ("act_quant",),
        ("value",),
        False,
        "a row of float32 this long does not stay in registers: the kernel spills some of it",
        at_least=36865,
    ),
    Row(_SOFTMAX, _ANY, False, "XLA keeps rows of up to 16384 elements on the chip and fuses the neighbours"),
    Row(_SPARSE, ("tangent",), False, "forward mode is left to XLA"),
    Row(("elementwise",), _ANY, False, "XLA fuses it with its neighbours, which a kernel would cut apart"),
    Row(("packed geglu",), ("backward",), False, "XLA moves each byte once: the kernel gains after a GEMM alone"),
    Row(("gated", "packed geglu"), _ANY, False, "XLA fuses it with its neighbours and moves each byte once"),
    Row(("fused",), _ANY, False, "XLA fuses bias, scale, residual and activation as a kernel would"),
)

_REST: Final = Row((), _ANY, False, "no measurement speaks for a kernel")


def row(family: str, direction: Direction, length: int, itemsize: int = 2) -> Row:
    """The row that holds for an operation on rows of `length` elements (0: it has none) of so many bytes."""
    return next((line for line in RULE if line.fits(family, direction, length, itemsize)), _REST)
