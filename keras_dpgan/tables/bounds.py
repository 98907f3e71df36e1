"""Bounds of a number that nobody knows, paid for from the budget."""

import typing

import numpy as np

from keras_dpgan import privacy
from keras_dpgan.privacy import origins
from keras_dpgan.tables import calibration
from keras_dpgan.tables import reading
from keras_dpgan.tables import release
from keras_dpgan.tables.columns import Numeric
from keras_dpgan.tables.schema import TableSchema

# Sizes from a millionth to a trillion, by factors of two, of both signs.
_SIZES = 2.0 ** np.arange(-20, 41)
_EDGES = np.concatenate([-_SIZES[::-1], [0.0], _SIZES])
# The chance that a cell without a row counts as one that has some.
_FALSE_ALARM = 0.01


def private_bounds(
    table: typing.Any,
    column: str,
    *,
    epsilon: float,
    delta: float,
    id_column: str | None = None,
    max_records_per_person: int = 1,
    ledger: "privacy.Ledger | None" = None,
) -> tuple[float, float, privacy.HistoryEntry]:
    """Finds bounds of a column of numbers, for a schema, where none are known.

    A histogram on a public grid (powers of two) is released with noise; the bounds are
    the ends of the cells that have more rows than noise alone would show. A few rows
    far out are not seen, and will be clipped: this is what protects them.

    Examples:
        >>> import numpy as np
        >>> import pandas as pd
        >>> private = pd.DataFrame({"salary": np.linspace(1100, 3000, 500)})
        >>> low, high, entry = dpgan.tables.private_bounds(
        ...     private, "salary", epsilon=1.0, delta=1e-5
        ... )
        >>> low, high
        (1024.0, 4096.0)

    Give the entry to `recipes.table(released=[entry])`, which keeps the budget for both
    together.

    Args:
        table: As in `recipes.table`.
        column: Name of a column of numbers.
        epsilon: Positive float, the part of the budget.
        delta: Float in (0, 1).
        id_column: As in `recipes.table`.
        max_records_per_person: As in `recipes.table`.
        ledger: A `privacy.Ledger` of the data, where the release is entered before it
            is made. Defaults to `None`.

    Returns:
        `(low, high, entry)`: two floats, and the `privacy.HistoryEntry` of the release.

    Raises:
        ValueError: If an argument does not fit; or if no cell has more rows than
            noise, after the budget was spent.
    """
    noise = calibration.table_noise(epsilon, delta, max_records_per_person)
    # Only its name matters here: nothing is clipped.
    schema = TableSchema({column: Numeric(0, 1)})
    counts = np.zeros(len(_EDGES) - 1)
    for frame in reading.bounded_frames(
        table, schema, id_column, max_records_per_person
    ):
        numbers = schema.columns[column].to_numbers(frame[column])
        numbers = np.clip(numbers[~np.isnan(numbers)], _EDGES[0], _EDGES[-1])
        counts += np.histogram(numbers, _EDGES)[0]
    entry = calibration.entry(noise)
    if ledger is not None:
        ledger.spend(entry, f"bounds of the column {column!r}")
    found = release.noisy(counts, np.full(len(counts), noise))
    origins.release(entry, [found], ledger)
    threshold = noise * np.sqrt(2 * np.log(len(counts) / _FALSE_ALARM))
    (full,) = np.nonzero(found > threshold)
    if not len(full):
        raise ValueError(
            f"`epsilon` must be larger for bounds of {column!r}: no part of the grid "
            f"has more rows than the noise shows. Received: epsilon={epsilon}. It was "
            "spent."
        )
    return float(_EDGES[full[0]]), float(_EDGES[full[-1] + 1]), entry
