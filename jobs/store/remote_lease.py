"""The lease of a workspace on an object store: a small file there, read again a moment after it was written."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

from jobs.store.layout import LEASE
from jobs.store.lease import LEASE_BYTES
from jobs.store.object_store import Remote

SETTLE = 1.0  # seconds


class RemoteSlot:
    """The slot of a lease on a remote."""

    poll = SETTLE

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def __str__(self) -> str:
        return self._remote.uri

    def read(self) -> bytes | None:
        """Return what stands there, None for nothing."""
        return self._remote.look(LEASE, LEASE_BYTES)

    def take(self, facts: Mapping[str, Any], found: bytes | None) -> bool:
        """Write the lease where ``found`` was read; return whether it is ours, a moment later."""
        content = _json(facts)
        if found is None and not self._remote.create(LEASE, content):
            return False
        if found is not None:
            self._remote.write(LEASE, content)
        time.sleep(self.poll)  # another may have written at the same time: the last one has it
        return self.read() == content

    def write(self, facts: Mapping[str, Any]) -> None:
        """Write our own lease again."""
        self._remote.write(LEASE, _json(facts))

    def remove(self) -> None:
        """Delete our own lease."""
        self._remote.delete([LEASE])

    def guard(self) -> nullcontext[None]:
        """Do nothing: no object store makes reading and writing one step."""
        return nullcontext()


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()
