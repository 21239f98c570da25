"""How a table is declared: named, versioned, keyed columns, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

TYPES = frozenset(
    {"string", "integer", "long", "double", "boolean", "binary", "array<string>", "array<float>", "array<double>"}
)


@dataclass(frozen=True)
class Column:
    """One column: its name, its Spark SQL type, what it means, and whether it may be null."""

    name: str
    type: str
    doc: str
    nullable: bool = False

    def __post_init__(self) -> None:
        """Refuse a type that the contracts do not know."""
        if self.type not in TYPES:
            raise ValueError(f"column {self.name} must have one of the types {sorted(TYPES)}, got {self.type!r}")


@dataclass(frozen=True)
class Table:
    """A table's contract: plural name, version of the contract, unique key, columns in order."""

    name: str
    version: int
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a key that names no column, and a column that is declared twice."""
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names) or not set(self.key) <= set(names):
            raise ValueError(f"table {self.name} must have unique columns that include its key {self.key}")

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)


DROP_REASON = Column("drop_reason", "string", "why later stages do not read the row; null = kept", nullable=True)
