"""Spark's Python workers: what they come with.

``spark-conf`` names this module as ``spark.python.daemon.module``: Spark runs it, and it serves as :mod:`daemon` says.
Where a model is opened, every worker would import its libraries for itself, five seconds each; asked by
:func:`import_ahead`, the daemon imports them once, and the workers, which are forked from it, have them, and their
memory in common.
"""

from __future__ import annotations

import shutil
from typing import Any

from jobs.spark.daemon import IMPORTS, serve


def import_ahead(session: Any, *modules: str) -> None:
    """Have workers that run what is planned from now on come with these modules imported.

    Not where there is a GPU: what has once looked at it must not be forked.
    """
    if not has_gpu():
        session.sparkContext.environment[IMPORTS] = " ".join(modules)  # another environment: another daemon


def has_gpu() -> bool:
    """Return whether this machine has a GPU."""
    return shutil.which("nvidia-smi") is not None


if __name__ == "__main__":
    serve()
