"""A draft of a schema from a public table: `keras-dpgan schema public.csv`."""

import pathlib
import sys
import typing

import numpy as np
from absl import app
from absl import flags

from keras_dpgan.tables import columns as column_kinds
from keras_dpgan.tables.pandas_library import pandas
from keras_dpgan.tables.schema import TableSchema

if typing.TYPE_CHECKING:
    import pandas as pd

WARNING = (
    "The schema is made from the rows of this table and will be published: its "
    "smallest and largest values, its categories and the quantiles of its numbers. The "
    "table must be public, such as a sample that may be shown to anyone, and not the "
    "private one. Look through the draft before you use it."
)
# Text with more different values is taken for names or ids, and left out.
_MOST_CATEGORIES = 100
_MOST_WHOLE_CATEGORIES = 10
_BINS = 20
# Of all rows, what makes a number one that stands for itself.
_POINT_MASS = 0.1


def draft_schema(frame: "pd.DataFrame") -> tuple[TableSchema, tuple]:
    """Drafts the schema of tables like a public one.

    Booleans, dates, text of up to 100 different values, and numbers are taken as what
    they are; whole numbers of up to 10 different values as categories. Numbers have
    bins of about equally many of these rows, and those that one in ten rows has a cell
    of their own.

    Args:
        frame: A `pandas.DataFrame` that is public: what the schema says of it is
            published.

    Returns:
        `(schema, left_out)`: a `TableSchema`, and the names of columns of which it
        could not be told what they are, such as identifiers.

    Raises:
        ValueError: If no column is left, or two have the same name.

    Examples:
        >>> import pandas as pd
        >>> public = pd.DataFrame({"age": [30, 45, 60], "smoker": [True, False, False]})
        >>> schema, left_out = dpgan.tables.draft_schema(public)
        >>> schema.names, left_out
        (('age', 'smoker'), ())
    """
    twice = frame.columns[frame.columns.duplicated()].unique().tolist()
    if twice:
        raise ValueError(
            "`frame` must have columns of different names: rename those that are "
            f"there twice. Received: twice={twice}."
        )
    columns, left_out = {}, []
    for name in frame.columns:
        column = _column(frame[name]) if isinstance(name, str) else None
        if column is None:
            left_out.append(name)
        else:
            columns[name] = column
    if not columns:
        raise ValueError(
            "`frame` must have a column with values of which it can be told what they "
            f"are. Received: {len(frame)} rows of the columns {left_out!r:.80}."
        )
    return TableSchema(columns), tuple(left_out)


def _column(series):
    """A column, or `None`."""
    types = pandas().api.types
    nullable = bool(series.isna().any())
    values = series.dropna()
    if not len(values):
        return None
    if (
        types.is_bool_dtype(values)
        or set(values.unique()) <= {True, False}
        and (values.dtype == object)
    ):
        return column_kinds.Boolean(nullable=nullable)
    if types.is_datetime64_any_dtype(values):
        return _dates(values, nullable)
    if types.is_numeric_dtype(values):
        return _numbers(values.to_numpy(np.float64), nullable)
    texts = values.astype(str)
    if len(set(texts)) <= _MOST_CATEGORIES:
        return column_kinds.Categorical(
            sorted(set(texts)), other=_other(texts), nullable=nullable
        )
    try:
        dates = pandas().to_datetime(texts, format="ISO8601")
    except (ValueError, TypeError):
        return None
    return _dates(dates, nullable)


def _other(texts):
    name = "other"
    while name in set(texts):
        name += "_"
    return name


def _dates(values, nullable):
    zone = None if values.dt.tz is None else str(values.dt.tz)
    values = values.dt.tz_localize(None)
    whole_days = (values == values.dt.normalize()).all()
    low, high = values.min(), values.max()
    if low == high:
        return None
    return column_kinds.Datetime(
        low.isoformat(),
        high.isoformat(),
        unit="D" if whole_days else "s",
        timezone=zone,
        nullable=nullable,
    )


def _numbers(values, nullable):
    values = values[np.isfinite(values)]
    different, counts = np.unique(values, return_counts=True)
    whole = bool(len(different)) and bool((different % 1 == 0).all())
    if whole and len(different) <= _MOST_WHOLE_CATEGORIES:
        return column_kinds.Categorical(
            different.astype(int).tolist(), nullable=nullable
        )
    if len(different) < 2:
        return None
    masses = different[counts > _POINT_MASS * len(values)]
    others = values[~np.isin(values, masses)]
    edges = None
    if len(others):
        edges = np.unique(np.quantile(others, np.linspace(0, 1, _BINS + 1)[1:-1]))
        edges = np.round(edges) if whole else edges
        edges = np.unique(edges[(edges > different[0]) & (edges < different[-1])])
    return column_kinds.Numeric(
        float(different[0]),
        float(different[-1]),
        edges=None if edges is None else edges.tolist(),
        integer=whole,
        point_masses=masses.tolist(),
        nullable=nullable,
    )


def define_flags():
    """Defines the flags of the command."""
    flags.DEFINE_string("out", "schema.json", "The file to make; must not exist.")


def main(argv):
    """Runs the command."""
    if len(argv) != 2:
        raise app.UsageError(f"Give one file, a public CSV. Received: {argv[1:]}")
    out = pathlib.Path(flags.FLAGS.out)
    try:
        if out.exists():
            raise FileExistsError(f"`out` must not exist. Received: out={str(out)!r}.")
        schema, left_out = draft_schema(pandas().read_csv(argv[1]))
        schema.save(out)
    except (ImportError, OSError, ValueError) as error:
        sys.exit(str(error))
    print(f"Wrote {len(schema.names)} columns to {out}. {WARNING}")
    if left_out:
        print(f"Left out, as names or ids: {', '.join(map(str, left_out))}.")


if __name__ == "__main__":
    define_flags()
    app.run(main)
