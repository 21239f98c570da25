"""Libraries of models keep progress bars, advice and look-ups on a hub to themselves."""

from __future__ import annotations

import logging
import os

# Read by the libraries when they are imported; what a user has set stays.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TOKENIZERS_PARALLELISM": "false",  # workers do not fight over cores
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "PYTHONWARNINGS": "ignore",
}


def quiet_environment() -> None:
    """Set what keeps libraries quiet that are imported later, here or in a child."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def quiet_libraries() -> None:
    """Keep the libraries that open models off the terminal; imports them."""
    quiet_environment()
    from transformers.utils import logging as library_logging

    library_logging.set_verbosity_error()
    library_logging.disable_progress_bar()
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
