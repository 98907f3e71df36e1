"""From a private table to a private generator of its rows."""

import sys
import typing

from keras_dpgan._utils import validate
from keras_dpgan.privacy import origins
from keras_dpgan.tables import calibration
from keras_dpgan.tables import fitting
from keras_dpgan.tables import reading
from keras_dpgan.tables.counts import TableCounts
from keras_dpgan.tables.counts import num_counts
from keras_dpgan.tables.generator import TableGenerator
from keras_dpgan.tables.schema import TableSchema

if typing.TYPE_CHECKING:
    from keras_dpgan.privacy import Ledger

# The counts of all pairs of cells, by the target's, have to fit into memory.
_MOST_COUNTS = 60_000_000
# Of components, unless their products with themselves take too long.
_MOST_COMPONENTS = 2000
_FEWEST_COMPONENTS = 200
_COMPONENTS_OF_WIDE = 500
_MOST_PRODUCTS = 600_000_000


def table(
    table: typing.Any,
    schema: TableSchema,
    target: str | None = None,
    *,
    epsilon: float,
    delta: float,
    id_column: str | None = None,
    max_records_per_person: int = 1,
    components: int | None = None,
    released: list | tuple = (),
    ledger: "Ledger | None" = None,
    verbose: int | str = "auto",
) -> TableGenerator:
    """Learns a generator of a private table's rows.

    Counts of single columns, of pairs and of pairs with the target are released from
    the budget, those from which most is to be had, and a mixture is trained on them
    (`tables.TableGenerator`). Above 25 columns only as many pairs as columns are
    measured in each of two rounds, and none together with the target.

    What is private is the table; the schema is published. Each row is a record, unless
    persons have several: then `id_column` names who a row is of, and of each person the
    first `max_records_per_person` rows are used, and protected together.

    Examples:
        >>> import pandas as pd
        >>> schema = dpgan.tables.TableSchema(
        ...     {
        ...         "smoker": dpgan.tables.Boolean(),
        ...         "age": dpgan.tables.Numeric(0, 120, bins=6, integer=True),
        ...     }
        ... )
        >>> private = pd.DataFrame({"smoker": [True, False] * 20, "age": [31, 64] * 20})
        >>> generator = dpgan.recipes.table(
        ...     private, schema, target="smoker", epsilon=1.0, delta=1e-3, verbose=0
        ... )
        >>> generator.sample(10).shape
        (10, 2)

    Every call spends the budget anew.

    Args:
        table: A `pandas.DataFrame`, or what has the dataframe interchange protocol;
            or the path of a CSV or Parquet file, which may be larger than memory.
        schema: A `tables.TableSchema`. It must not be made from the private rows.
        target: Name of the column that others will be used to predict. Defaults to
            `None`: none is.
        epsilon: Positive float, the budget.
        delta: Float in (0, 1), below one in the number of rows.
        id_column: Name of the column that says who a row is of. It is never published
            and need not be in the schema. Defaults to `None`: each row is a person.
        max_records_per_person: Positive int: the rows that are used of each person.
            Defaults to 1.
        components: Int, of the mixture. Defaults to `None`: 2000, and fewer, down to
            200, where the schema has many cells or the target many values; 500 above
            25 columns.
        released: The `privacy.HistoryEntry`s of what was bought for the schema, by
            `tables.private_bounds`: epsilon is for all together. Defaults to none.
        ledger: A `privacy.Ledger` of the data, where the release is entered before it
            is made. Defaults to `None`.
        verbose: As in `fit` of Keras: 1 for a progress bar, 2 for a line at the end, 0
            for neither. Defaults to `"auto"`: a bar in a terminal or notebook, a line
            elsewhere.

    Returns:
        A `tables.TableGenerator`.

    Raises:
        ValueError: If an argument does not fit, before anything is spent.
    """
    noise_multiplier = calibration.table_noise(
        epsilon, delta, max_records_per_person, released
    )
    if components is not None:
        validate.check_int("components", components, minimum=1)
    verbose = _verbosity(verbose)
    counts = _counts(table, schema, target, id_column, max_records_per_person)
    entry = calibration.entry(noise_multiplier)
    if ledger is not None:
        ledger.spend(entry, "counts of a table")
    generator = TableGenerator(
        schema,
        components or _components(schema, target),
        delta=float(delta),
        max_records_per_person=max_records_per_person,
    )
    place = None if target is None else schema.index(target)
    total = fitting.fit(counts, generator.mixture, noise_multiplier, place, verbose)
    for spent in (*released, entry):
        generator.history.add(spent)
    generator.num_rows = max(round(total), 1)
    origins.release(entry, [generator.mixture.logits], ledger)
    return generator


def _counts(table, schema, target, id_column, max_records_per_person):
    """The exact counts, private, after all checks."""
    if not isinstance(schema, TableSchema):
        raise ValueError(
            "`schema` must be a TableSchema, from a data dictionary and never from the "
            f"private rows. Received: schema={schema!r:.80}."
        )
    place = None if target is None else schema.index(target)
    group_by = None if fitting.is_wide(len(schema.names)) else place
    _check_size(schema, group_by)
    frames = reading.bounded_frames(table, schema, id_column, max_records_per_person)
    counts = TableCounts(schema.num_cells, group_by)
    for frame in frames:
        counts.add(schema.encode(frame))
    return counts


def _verbosity(verbose):
    if verbose == "auto":
        return 1 if sys.stdout.isatty() or "ipykernel" in sys.modules else 2
    if isinstance(verbose, str):
        raise ValueError(
            f"`verbose` must be 'auto', 0, 1 or 2. Received: verbose={verbose!r:.80}."
        )
    return validate.check_int("verbose", verbose, minimum=0, maximum=2)


def _components(schema, target):
    """How many components a table gets, by its size alone."""
    if fitting.is_wide(len(schema.names)):
        return _COMPONENTS_OF_WIDE
    groups = 0 if target is None else schema.num_cells[schema.index(target)]
    affordable = _MOST_PRODUCTS // ((1 + groups) * sum(schema.num_cells) ** 2)
    return min(max(affordable, _FEWEST_COMPONENTS), _MOST_COMPONENTS)


def _check_size(schema, group_by):
    found = num_counts(schema.num_cells, group_by)
    if found > _MOST_COUNTS:
        raise ValueError(
            f"`schema` must have {_MOST_COUNTS:,} pairs of cells at most, in all pairs "
            "of columns, each for each cell of the target. Use fewer bins or "
            "categories, join rare ones to `other`, or leave out columns. Received: "
            f"{found:,} of {sum(schema.num_cells):,} cells in {len(schema.names)} "
            "columns. Nothing was spent."
        )
