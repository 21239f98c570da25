"""What the commands end with, for schedulers: the numbers, and the words that every help text says of them."""

from __future__ import annotations

from schemas.errors import AuditError, PairwrightError

PUBLISHED, FAILED, NOTHING_NEW, STOPPED = 0, PairwrightError.exit_status, 3, 130
AUDIT_FAILED = AuditError.exit_status
NIGHTLY = (
    f"exit status: {PUBLISHED} published (with --train: or a new model measured), {NOTHING_NEW} nothing new, "
    f"{AUDIT_FAILED} the audit failed and CURRENT stays where it was, {FAILED} failed, {STOPPED} stopped"
)
