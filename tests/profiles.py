"""How many cases the property tests try: 500 in all beside the other tests, 10 000 with JAXACT_PROPERTIES=nightly.

Beside the other tests they are the same every time; at night they are new ones, and a failure prints what repeats
it.
"""

import os

from hypothesis import HealthCheck, settings

NIGHTLY = os.environ.get("JAXACT_PROPERTIES") == "nightly"
TIMES = 20 if NIGHTLY else 1

settings.register_profile(
    "jaxact",
    derandomize=not NIGHTLY,
    database=None,
    deadline=None,  # a case compiles
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("jaxact")

# Each program that a property compiles has so many inputs, and each is a case.
INPUTS = 2

# How many of the 500 cases each property has.
SHARES = {
    "elementwise": 150,
    "dtypes": 70,
    "derivatives": 50,
    "parameters": 40,
    "rows": 60,
    "gated": 50,
    "modules": 40,
    "random": 10,
    "sharded": 30,
}
assert sum(SHARES.values()) == 500


def inputs(seed: int) -> range:
    """The seeds of the inputs of one program."""
    return range(seed, seed + INPUTS)


def share(name: str) -> settings:
    """The settings of a property."""
    return settings(settings.get_profile("jaxact"), max_examples=SHARES[name] * TIMES // INPUTS)
