"""The rule that `implementation=None` follows, as data: each row with the evidence that put it there.

A Pallas call is opaque, so it breaks the fusions around it. A kernel is chosen where it beats jaxact's own
reference under XLA in context, and nowhere else. Bytes are those of the program that XLA compiles for an H200,
over the bytes that have to move; the rows are changed by measurements, not by hopes.
"""

import dataclasses
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
      masked: It holds only with (True) or without (False) a mask; None is either.
    """

    families: tuple[str, ...]
    directions: tuple[Direction, ...]
    kernel: bool
    evidence: str
    at_least: int = 0
    masked: bool | None = None


_ANY: Final[tuple[Direction, ...]] = ("value", "tangent", "backward")
_DIRECT: Final[tuple[Direction, ...]] = ("value", "backward")
_SOFTMAX: Final = ("softmax", "softmin", "log_softmax")
_SPARSE: Final = ("sparsemax", "entmax15", "entmax")

# The first row that fits holds.
RULE: Final[tuple[Row, ...]] = (
    Row(_SPARSE, _DIRECT, True, "XLA moves 4.2 (by sort) to 12.6 (by bisection) times the bytes of one pass"),
    Row(
        _SOFTMAX,
        ("value",),
        True,
        "a masked row this long does not stay on the chip: XLA moves 1.6 (8k) to 2.2 (32k) times the bytes",
        at_least=8192,
        masked=True,
    ),
    Row(
        _SOFTMAX,
        ("value",),
        True,
        "a row this long does not stay on the chip: XLA moves 2.0 times the bytes",
        at_least=16385,
    ),
    Row(("softmax", "softmin"), ("backward",), True, "XLA reads y and its cotangent twice: 1.67 times the bytes"),
    Row(
        ("log_softmax",),
        ("backward",),
        True,
        "a row this long does not stay on the chip: XLA moves 2.34 times the bytes forward and backward",
        at_least=16385,
    ),
    Row(
        ("act_quant",),
        ("value",),
        True,
        "XLA moves 3.67 (a scale a row) or 1.71 (a scale a block) times the bytes of one pass",
    ),
    Row(("packed geglu",), ("backward",), True, "XLA moves 1.80 times the bytes to write the packed gradient"),
    Row(_SOFTMAX, _ANY, False, "XLA keeps rows of up to 16384 elements on the chip and fuses the neighbours"),
    Row(_SPARSE, ("tangent",), False, "forward mode is left to XLA"),
    Row(("elementwise",), _ANY, False, "XLA fuses it with its neighbours, which a kernel would cut apart"),
    Row(("gated", "packed geglu"), _ANY, False, "XLA fuses it with its neighbours and moves each byte once"),
    Row(("fused",), _ANY, False, "XLA fuses bias, scale, residual and activation as a kernel would"),
)

_REST: Final = Row((), _ANY, False, "no measurement speaks for a kernel")


def row(family: str, direction: Direction, length: int, masked: bool) -> Row:
    """The row that holds for an operation on rows of `length` elements (0: it has none)."""
    for line in RULE:
        fits = family in line.families and direction in line.directions and length >= line.at_least
        if fits and line.masked in (None, masked):
            return line
    return _REST
