"""Run a command that must not outlive its caller: ``python watchdog.py COMMAND...``, on a pipe as standard input.

The pipe closes when the caller closes it or dies, whatever kills it; then the command and all that it started are
stopped, politely first. The caller starts the watchdog in a session of its own, so Ctrl-C reaches the caller alone, and
the process group is exactly what the command started. Standard library only: it runs outside of any package.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

GRACE_SECONDS = 5.0


def stop_group(command: "subprocess.Popen[bytes]") -> None:
    """Ask the whole group to end, and end it after a grace."""
    os.killpg(0, signal.SIGTERM)  # ourselves included, who do not listen
    deadline = time.monotonic() + GRACE_SECONDS
    while command.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(0, signal.SIGKILL)


def watch(command: "subprocess.Popen[bytes]") -> None:
    """Wait for the caller's end of the pipe to close."""
    with contextlib.suppress(OSError):
        while os.read(0, 1024):
            pass
    stop_group(command)


def main() -> None:
    """Start the command, end with its exit status, or end it when the caller is gone."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Signals set to "ignore" are inherited; the command gets them back as they were.
    command = subprocess.Popen(
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL),
    )
    threading.Thread(target=watch, args=(command,), daemon=True).start()
    status = command.wait()
    # Children may outlive a command that crashed; the group is ours alone, so nothing else is hit.
    sys.stderr.write(f"watchdog: the command ended with status {status}\n")
    sys.stderr.flush()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
