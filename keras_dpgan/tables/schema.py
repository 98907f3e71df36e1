"""What a table may hold, decided without looking at its private rows."""

import collections.abc
import json
import os
import pathlib
import typing

import numpy as np
import tensorflow as tf

from keras_dpgan._utils import files
from keras_dpgan._utils.formats import Format
from keras_dpgan.tables import columns as column_kinds
from keras_dpgan.tables import constraints as constraint_kinds
from keras_dpgan.tables.pandas_library import pandas

if typing.TYPE_CHECKING:
    import pandas as pd

_FORMAT = Format(
    "table_schema", version=1, required=("columns",), optional={"constraints": []}
)


class TableSchema:
    """The columns of a table, and what is publicly known of each.

    All of it is published with the generator. It must come from a data dictionary, a
    questionnaire or a public sample, and never from the private rows: the smallest
    and largest private value, or a category that one row has, are not private.

    Examples:
        >>> schema = dpgan.tables.TableSchema(
        ...     {
        ...         "age": dpgan.tables.Numeric(17, 90, integer=True),
        ...         "work": dpgan.tables.Categorical(["private", "public"], other="?"),
        ...         "married": dpgan.tables.Boolean(nullable=True),
        ...     }
        ... )
        >>> schema.names
        ('age', 'work', 'married')
        >>> schema.save("schema.json")

    Args:
        columns: Dict from names of columns, in their order, to `Categorical`,
            `Numeric`, `Datetime` or `Boolean`. Columns of the private table that are
            not among them are neither read nor published: leave out identifiers.
        constraints: Strings, what is publicly known to hold in every row. A comparison
            of sums, differences and products of columns and numbers, such as
            `"end >= start"`: generated rows that break it are drawn again. An equation
            for a `Numeric` column, `"total == food + rent"`: it is computed from the
            others. A dependency of categories, `"city -> state"`: each city gets the
            one state that it most probably has. None of it costs anything. Where a
            column of a comparison has a gap the row is kept. Defaults to none.

    Raises:
        ValueError: If there is no column, or one is of no such kind, or a constraint
            cannot be read.
    """

    def __init__(self, columns: dict, constraints: list | tuple = ()) -> None:
        if not isinstance(columns, dict) or not columns:
            raise ValueError(
                "`columns` must be a dict from names to columns, with one column at "
                f"least. Received: columns={columns!r:.80}."
            )
        kinds = tuple(column_kinds.KINDS.values())
        for name, column in columns.items():
            if not isinstance(name, str) or not name or not isinstance(column, kinds):
                raise ValueError(
                    "`columns` must have names that are strings, and columns that are "
                    "`Categorical`, `Numeric`, `Datetime` or `Boolean`. Received: "
                    f"{name!r}: {column!r:.80}."
                )
        if isinstance(constraints, str):
            raise ValueError(
                "`constraints` must be a list of strings. Received: "
                f"constraints={constraints!r:.80}."
            )
        self._columns = dict(columns)
        self._constraints = tuple(
            constraint_kinds.parse(text, self._columns) for text in constraints
        )
        comparisons: list = []
        dependencies: list = []
        for constraint in self._constraints:
            is_dependency = isinstance(constraint, constraint_kinds.Dependency)
            (dependencies if is_dependency else comparisons).append(constraint)
        self._sums = constraint_kinds.sums(comparisons)
        self._dependencies = constraint_kinds.in_order(dependencies)

    @property
    def columns(self) -> dict:
        """The columns by their names, a dict."""
        return dict(self._columns)

    @property
    def names(self) -> tuple:
        """The names of the columns, in order."""
        return tuple(self._columns)

    @property
    def constraints(self) -> tuple:
        """The constraints, strings."""
        return tuple(constraint.text for constraint in self._constraints)

    @property
    def num_cells(self) -> tuple:
        """How many cells each column has, ints."""
        return tuple(column.num_cells for column in self._columns.values())

    def __eq__(self, other):
        return isinstance(other, TableSchema) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def index(self, name: str, argument: str = "target") -> int:
        """The place of a column.

        Raises:
            ValueError: If there is none of this name.
        """
        if name not in self._columns:
            raise ValueError(
                f"`{argument}` must be a column of the schema, one of {self.names}. "
                f"Received: {argument}={name!r}."
            )
        return self.names.index(name)

    def encode(self, frame: "pd.DataFrame") -> np.ndarray:
        """The cells of a table's rows.

        Args:
            frame: A `pandas.DataFrame` with all columns of the schema, in any order.

        Returns:
            Int64 array of shape `(rows, columns)`; -1 where a value has no cell, and
            is counted nowhere.

        Raises:
            ValueError: If a column is missing, there twice, or of another type than
                the schema says.
        """
        self.check_names(frame.columns)
        cells = np.empty((len(frame), len(self._columns)), np.int64)
        for number, (name, column) in enumerate(self._columns.items()):
            cells[:, number] = column.encode(frame[name])
        return cells

    def check_names(self, names: collections.abc.Iterable[str]) -> None:
        """Raises a `ValueError` unless each column of the schema is there once."""
        names = list(names)
        missing = [name for name in self._columns if name not in names]
        twice = sorted({name for name in self._columns if names.count(name) > 1})
        if missing or twice:
            raise ValueError(
                "The table must have each column of the schema once. Rename its "
                "columns, or take them out of the schema. Received: "
                f"missing={missing}, twice={twice}."
            )

    def decode(self, cells: tf.Tensor, places: tf.Tensor) -> dict[str, typing.Any]:
        """Values for cells, within a graph, too.

        Args:
            cells: Int tensor of shape `(rows, columns)`.
            places: Float tensor of this shape in [0, 1): where in its bin a number
                lies.

        Returns:
            Dict from names to tensors of shape `(rows,)`: strings, booleans, float64
            or int64 (dates: since 1970, in their unit); and for each nullable column
            `<name>.is_null`, booleans.
        """
        values = {}
        for number, (name, column) in enumerate(self._columns.items()):
            mine = cells[:, number]
            values[name] = column.decode(mine, places[:, number])
            if column.nullable:
                values[f"{name}.is_null"] = column.is_null(mine)
        return values

    def to_frame(self, values: dict[str, typing.Any]) -> "pd.DataFrame":
        """The `pandas.DataFrame` of what `decode` gave, in the schema's dtypes."""
        frame = {}
        for name, column in self._columns.items():
            decoded = np.asarray(values[name])
            is_null = np.zeros(len(decoded), bool)
            if column.nullable:
                is_null = np.asarray(values[f"{name}.is_null"])
            frame[name] = column.to_series(decoded, is_null)
        return pandas().DataFrame(frame)

    @property
    def dependencies(self) -> tuple:
        """Pairs of places of columns, the second of which follows from the first."""
        return tuple(
            (self.names.index(one.first), self.names.index(one.second))
            for one in self._dependencies
        )

    def with_sums(
        self, values: dict[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Values of `decode` as arrays, with columns computed where equations say so.

        Returns:
            The dict, and which rows have a sum outside of its column's bounds.
        """
        values = dict(values)
        rows = len(values[self.names[0]])
        outside = np.zeros(rows, bool)
        for name, used, value in self._sums:
            gaps = [values.get(f"{other}.is_null", False) for other in (name, *used)]
            known = ~np.any(np.broadcast_arrays(*gaps, outside)[:-1], axis=0)
            column = self._columns[name]
            found = np.asarray(value(values)) * np.ones(rows, values[name].dtype)
            values[name] = np.where(known, found, values[name])
            outside |= (values[name] < column.low) | (values[name] > column.high)
        return values, outside

    def violations(self, frame: "pd.DataFrame") -> np.ndarray:
        """Which rows break a constraint, a boolean array."""
        broken = np.zeros(len(frame), bool)
        for constraint in self._constraints:
            broken |= constraint.is_broken(frame)
        return broken

    def to_dict(self) -> dict:
        """The schema as JSON values."""
        columns = [
            {"name": name, **column_kinds.column_to_dict(column)}
            for name, column in self._columns.items()
        ]
        return _FORMAT.write(columns=columns, constraints=list(self.constraints))

    @classmethod
    def from_dict(cls, values: dict) -> "TableSchema":
        """The schema that `to_dict` wrote.

        Raises:
            ValueError: If it is none.
        """
        fields = _FORMAT.read(values)
        given = fields["columns"]
        named = isinstance(given, list) and all(
            isinstance(column, dict) and isinstance(column.get("name"), str)
            for column in given
        )
        if not named:
            raise ValueError(
                "`columns` of a table_schema must be a list of objects, each with a "
                f"`name`. Received: {given!r:.80}."
            )
        names = [column["name"] for column in given]
        if len(set(names)) < len(names):
            raise ValueError(
                "`columns` of a table_schema must have different names. Received: "
                f"{names!r:.80}."
            )
        columns = {
            column["name"]: column_kinds.column_from_dict(
                column["name"], {k: v for k, v in column.items() if k != "name"}
            )
            for column in given
        }
        return cls(columns, fields["constraints"])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the schema as JSON; a file that is there is replaced."""
        with files.complete_file(path) as file:
            file.write_text(json.dumps(self.to_dict(), indent=2) + "\n", "utf-8")

    @classmethod
    def load(cls, path: str) -> "TableSchema":
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: If there is no file.
            ValueError: If it is no schema.
        """
        text = pathlib.Path(path).read_text("utf-8")
        try:
            return cls.from_dict(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{error} It was read from {str(path)!r}.") from error

    def __repr__(self):
        return f"TableSchema({self._columns!r}, constraints={self.constraints!r})"
