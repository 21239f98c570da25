"""vLLM's OpenAI-compatible server with a forked engine: ``python vllm_server.py FLAGS...``, by a Python that has vLLM.

Without a GPU vLLM spawns the process of its engine, which imports everything a second time: ten seconds of a start.
Here it is forked from the server, which has imported it all and computed nothing yet. Outside of any package of ours.
"""

import multiprocessing
import runpy
import sys
from multiprocessing.context import ForkContext

if __name__ == "__main__":
    del sys.path[0]  # this folder, which has a vllm.py of its own
    from vllm.utils import system_utils

    def fork() -> ForkContext:
        """Stand in for vLLM's choice."""
        return multiprocessing.get_context("fork")

    system_utils.get_mp_context = fork
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__")
