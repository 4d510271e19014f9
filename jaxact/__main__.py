"""``python -m jaxact``: the command of the same name."""

import sys

from jaxact.cli import main

sys.exit(main())
