"""The rule that `implementation=None` follows, as data: each row with the evidence that put it there.

A Pallas call is opaque, so it breaks the fusions around it. A kernel is chosen where XLA moves at least 1.15
times its bytes for jaxact's own reference, alone and after a GEMM, and no fewer beside other neighbours. Bytes
are those of programs compiled for H200 and B200, over the bytes that have to move: ``python -m benchmarks
gpu_static``, whose figures for an H200 the rows quote (docs/gpu_static.md). They are changed by that, not by
hopes.
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

# The first row that fits holds.
RULE: Final[tuple[Row, ...]] = (
    Row(
        _SPARSE,
        ("value",),
        True,
        "XLA moves 9.0 (sparsemax) to 10.0 times the bytes of one pass; of long rows 11.6, the kernel 5.5",
    ),
    Row(
        _SPARSE,
        ("backward",),
        True,
        "XLA moves 1.67 (sparsemax) to 3.3 times the bytes of one pass",
        at_most=40960,
        at_most_float32=32768,
    ),
    Row(
        _SPARSE,
        ("backward",),
        False,
        "a row this long stays in no kernel's registers either: it moves 1.67 times the bytes, XLA 2.0",
    ),
    Row(
        _SOFTMAX,
        ("value",),
        True,
        "a row this long does not stay on the chip: XLA moves 2.0 times the bytes (masked 2.2, the kernel 1.4)",
        at_least=16385,
        at_most=49152,
        at_most_float32=36864,
    ),
    Row(
        _SOFTMAX,
        ("value",),
        False,
        "a row this long stays in no kernel's registers either: it moves 1.5 times the bytes, XLA 2.0, and of an "
        "add beside it XLA saves more",
        at_least=36865,
    ),
    Row(
        ("softmax", "softmin"),
        ("backward",),
        True,
        "XLA reads y and its cotangent twice: 1.67 times the bytes",
        at_most=49152,
        at_most_float32=36864,
    ),
    Row(
        ("softmax", "softmin"),
        ("backward",),
        False,
        "a row this long stays in no kernel's registers either: it too moves 1.67 times the bytes",
    ),
    Row(
        ("log_softmax",),
        ("backward",),
        True,
        "a row this long does not stay on the chip: XLA moves 2.7 times the bytes, the kernel 2.0",
        at_least=16385,
        at_most=49152,
        at_most_float32=0,
    ),
    Row(
        ("log_softmax",),
        ("backward",),
        False,
        "in float32, and beyond 49152, XLA moves 1.2 to 1.3 times the kernel's bytes, in context 1.0 to 1.1",
        at_least=16385,
    ),
    Row(
        ("act_quant",),
        ("value",),
        True,
        "XLA moves 3.7 (of two halves 2.6) times the bytes of one pass",
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
