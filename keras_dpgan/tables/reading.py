"""Rows of a private table, part by part, as cells."""

import csv
import pathlib

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.tables.pandas_library import pandas

_ROWS = 50_000
# What stands for a gap in a CSV, unless the schema has it as a category.
_GAPS = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "<NA>")


def frames(table, schema, extra=()):
    """The parts of a table, `pandas.DataFrame`s of the columns asked for.

    Args:
        table: A `pandas.DataFrame`, or what has the dataframe interchange protocol;
            or the path of a CSV or Parquet file, which may be larger than memory.
        schema: The `TableSchema`.
        extra: Names of further columns to read.

    Returns:
        An iterator.

    Raises:
        ValueError: If it is none of these, or a column is missing.
    """
    names = [*schema.names, *(name for name in extra if name not in schema.names)]
    if isinstance(table, str | pathlib.Path):
        suffix = pathlib.Path(table).suffix
        if suffix == ".csv":
            return _csv(table, schema, names)
        if suffix == ".parquet":
            return _parquet(table, schema, names)
        raise ValueError(
            "`table` must be the path of a .csv or .parquet file. Received: "
            f"table={str(table)!r}."
        )
    frame = table
    if not isinstance(frame, pandas().DataFrame):
        if not hasattr(table, "__dataframe__"):
            raise ValueError(
                "`table` must be a pandas.DataFrame, or the path of a .csv or .parquet "
                f"file. Received: table={table!r:.80}."
            )
        frame = pandas().api.interchange.from_dataframe(table)
    _check(schema, frame.columns, extra)
    return (
        frame[names].iloc[start : start + _ROWS]
        for start in range(0, len(frame), _ROWS)
    )


def read_all(path, schema):
    """All rows of a file in the columns of a schema, a `pandas.DataFrame`.

    Raises:
        OSError: If there is no such file.
        ValueError: If it is no CSV or Parquet file, or a column is missing.
    """
    parts = list(frames(path, schema))
    if not parts:
        return pandas().DataFrame(columns=list(schema.names))
    return pandas().concat(parts, ignore_index=True)


def _check(schema, names, extra):
    schema.check_names(names)
    for name in extra:
        if list(names).count(name) != 1:
            raise ValueError(
                "`id_column` must be a column of the table, there once. Received: "
                f"id_column={name!r}."
            )


def _csv(path, schema, names):
    with open(path, newline="", encoding="utf-8-sig") as file:
        header = next(csv.reader(file), [])
    _check(schema, header, [name for name in names if name not in schema.names])
    texts, gaps = {}, {}
    for name in header:
        column = schema.columns.get(name)
        if column is None:
            # An id: as a number it would be another one where a part has a gap.
            texts[name] = str
        categories = getattr(column, "values", ())
        if categories and isinstance(categories[0], str):
            texts[name] = str
        gaps[name] = [gap for gap in _GAPS if gap not in categories]
    return _parts_of_csv(path, usecols=names, dtype=texts, na_values=gaps)


def _parts_of_csv(path, **arguments):
    with pandas().read_csv(
        path,
        keep_default_na=False,
        chunksize=_ROWS,
        encoding="utf-8-sig",
        **arguments,
    ) as parts:
        yield from parts


def _parquet(path, schema, names):
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            "Parquet files need the package pyarrow. Install it by "
            '`pip install "pyarrow<25"`.'
        ) from error
    file = parquet.ParquetFile(path)
    found = file.schema_arrow.names
    _check(schema, found, [name for name in names if name not in schema.names])
    batches = file.iter_batches(batch_size=_ROWS, columns=names)
    return (batch.to_pandas() for batch in batches)


def bounded_frames(table, schema, id_column, max_records_per_person):
    """The parts of a table, with so many rows of each person at most.

    Args:
        table: As in `frames`.
        schema: As in `frames`.
        id_column: Name of the column that says who a row is of, or `None`: each row is
            of another person.
        max_records_per_person: Positive int.

    Returns:
        An iterator of `pandas.DataFrame`s.

    Raises:
        ValueError: If an argument does not fit.
    """
    validate.check_int("max_records_per_person", max_records_per_person, minimum=1)
    if id_column is None:
        if max_records_per_person > 1:
            raise ValueError(
                "`id_column` must name the column that says who a row is of, where "
                "`max_records_per_person` is above 1. Received: id_column=None, "
                f"max_records_per_person={max_records_per_person}."
            )
        return frames(table, schema)
    limit = PersonLimit(id_column, max_records_per_person)
    return map(limit, frames(table, schema, (id_column,)))


class PersonLimit:
    """Keeps the first rows of each person, so many at most, over all parts.

    Which they are depends on the rows of that person alone, and their order: were it
    drawn within a part, a further person's rows would move others to another part, and
    so change what is kept of them. Rows without an id are left out. How many rows are
    left out is not said.

    Args:
        id_column: String.
        max_records_per_person: Positive int.
    """

    def __init__(self, id_column, max_records_per_person):
        self._id_column = id_column
        self._most = max_records_per_person
        self._kept = {}

    def __call__(self, frame):
        """The rows of a part that are kept."""
        people = frame[self._id_column]
        frame, people = frame[people.notna()], people[people.notna()]
        before = people.map(self._kept).fillna(0).to_numpy(np.int64)
        rank = people.groupby(people).cumcount().to_numpy()
        kept = before + rank < self._most
        for person, count in people[kept].value_counts().items():
            self._kept[person] = self._kept.get(person, 0) + count
        return frame[kept]
