"""How a table is declared: named, versioned, keyed columns, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

HITS = "array<struct<retriever:string,rank:int,score:double>>"

TYPES = frozenset(
    {
        "string",
        "integer",
        "long",
        "double",
        "boolean",
        "binary",
        "array<string>",
        "array<long>",
        "array<float>",
        "array<double>",
        HITS,
    }
)


@dataclass(frozen=True)
class Column:
    """One column: its name, its Spark SQL type, what it means, and what its values must be.

    ``low`` and ``high`` are the ends of a closed range of numbers, ``choices`` the only values, ``filled`` refuses the
    empty string. A null breaks none of them.
    """

    name: str
    type: str
    doc: str
    nullable: bool = False
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    filled: bool = False

    def __post_init__(self) -> None:
        """Refuse a type that the contracts do not know."""
        if self.type not in TYPES:
            raise ValueError(f"column {self.name} must have one of the types {sorted(TYPES)}, got {self.type!r}")


@dataclass(frozen=True)
class Reference:
    """A column, or several, whose values stand in another table; ``to`` are (table, columns), one of which has them.

    A null refers to nothing.
    """

    columns: tuple[str, ...]
    to: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def name(self) -> str:
        """What is expected, in words."""
        return f"{' and '.join(self.columns)} in {' or '.join(table for table, _ in self.to)}"


def refers(column: str, *to: str) -> Reference:
    """Return the reference of one column to one of some columns, each written as ``table.column``."""
    parts = [each.partition(".") for each in to]
    return Reference((column,), tuple((table, (name,)) for table, _, name in parts))


@dataclass(frozen=True)
class Table:
    """A table's contract: plural name, version of the contract, unique key, columns in order, references."""

    name: str
    version: int
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    reasons: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a key or a reference that names no column, and a column that is declared twice."""
        names = [column.name for column in self.columns]
        used = {*self.key, *(name for each in self.references for name in each.columns)}
        if len(set(names)) != len(names) or not used <= set(names):
            named = ", ".join(sorted(used))
            raise ValueError(f"table {self.name} must have unique columns, its key among them, got key {named}")

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(column.name for column in self.columns)


DROP_REASON = Column("drop_reason", "string", "why later stages do not read the row; null = kept", nullable=True)
