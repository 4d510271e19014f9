"""How everything here is timed: interleaved rounds in one process, medians and quartiles of ratios."""

import random
import statistics
import time
from collections.abc import Callable, Mapping

from rich.console import Console
from rich.progress import track


def interleaved(
    calls: Mapping[str, Callable[[], object]], *, rounds: int, number: int, title: str | None = None
) -> dict[str, list[float]]:
    """Seconds a call, one entry a round; each round runs every call `number` times, in an order of its own.

    Each is called once before it is timed: what ran before it has other data in the caches, and perhaps threads
    that still spin. With a title the rounds are a progress bar.
    """
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    order = random.Random(0)
    progress = Console(stderr=True, quiet=title is None)  # standard output is for results
    for _ in track(range(rounds), description=title or "", console=progress):
        for name, call in order.sample(list(calls.items()), len(calls)):
            call()
            start = time.perf_counter()
            for _ in range(number):
                call()
            seconds[name].append((time.perf_counter() - start) / number)
    return seconds


def ratio(seconds: list[float], base: list[float]) -> tuple[float, float]:
    """The median of the round-by-round ratios, and half their interquartile range."""
    ratios = [a / b for a, b in zip(seconds, base, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return middle, (high - low) / 2
