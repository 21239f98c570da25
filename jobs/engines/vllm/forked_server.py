"""vLLM's OpenAI-compatible server with a forked engine: ``python forked_server.py FLAGS...``.

Without a GPU vLLM spawns the process of its engine, which imports everything a second time: ten seconds of a start.
Here it is forked from the server, which has imported it all and computed nothing yet. A server that is started ahead
waits there, before the weights take their memory, for the file that ``PAIRWRIGHT_VLLM_GO`` names. Outside of any
package of ours.
"""

import multiprocessing
import os
import runpy
import sys
import time
from multiprocessing.context import ForkContext

if __name__ == "__main__":
    del sys.path[0]  # this folder, whose modules are not vLLM's
    from vllm.v1.engine import utils

    def fork() -> ForkContext:
        """Stand in for vLLM's choice, when the engine is to start."""
        go = os.environ.get("PAIRWRIGHT_VLLM_GO")
        while go and not os.path.exists(go):  # noqa: PTH110 -- nothing but the standard library
            time.sleep(0.05)
        return multiprocessing.get_context("fork")

    utils.get_mp_context = fork
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__")
