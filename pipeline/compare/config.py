"""Settings of the comparison with the version published before."""

from __future__ import annotations

from schemas.config import Config, setting


class AuditConfig(Config):
    """How far a version may differ from the one published before; more than that is not published."""

    compare: bool = setting(True, "compare with the last published version; false = publish whatever differs")
    min_rows: int = setting(100, "a last version with fewer rows in a stage is no measure for that stage", low=0)
    rows_lost: float = setting(0.3, "share of a stage's rows that may go", low=0.0, high=1.0)
    rows_gained: float = setting(4.0, "rows that may come, as a multiple of those there were", low=0.0)
    length: float = setting(0.3, "relative change of the mean length of queries, positives and negatives", low=0.0)
    domain_share: float = setting(0.25, "change of a domain's share of the pairs", low=0.0, high=1.0)
    domain_lost: float = setting(0.02, "largest share of the pairs of a domain that may vanish", low=0.0, high=1.0)
    hardness: float = setting(0.15, "change of the negatives' mean cosine to their query", low=0.0, high=2.0)
    veto_rate: float = setting(0.2, "change of the share of candidates vetoed as likely positives", low=0.0, high=1.0)
