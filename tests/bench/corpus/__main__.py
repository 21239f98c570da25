"""``python -m tests.bench.corpus``: see ``tests/bench/driver.py``."""

import sys

from tests.bench.driver import main

if __name__ == "__main__":
    sys.exit(main())
