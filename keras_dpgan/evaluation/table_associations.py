"""How strongly columns of a table go together, each pair by one number in [0, 1]."""

import itertools
import typing

import numpy as np

from keras_dpgan.tables import columns as column_kinds
from keras_dpgan.tables.columns import NOWHERE
from keras_dpgan.tables.schema import TableSchema

if typing.TYPE_CHECKING:
    import pandas as pd


def associations(frame: "pd.DataFrame", schema: TableSchema) -> np.ndarray:
    """How strongly each two columns go together.

    Two columns of numbers or dates: the size of Pearson's correlation. Two of
    categories: Cramer's V, less what chance alone makes (Bergsma 2013, "A
    bias-correction for Cramer's V"). One of each: the correlation ratio, of the
    variance the root of the share that lies between categories, also less what
    chance makes. A gap is a category; a pair of numbers with a gap is left out.

    Args:
        frame: A `pandas.DataFrame`.
        schema: Its `tables.TableSchema`.

    Returns:
        Float64 array of shape `(columns, columns)`, symmetric, one on the diagonal. A
        pair of which one column does not vary has 0. It is not private.

    Examples:
        >>> import pandas as pd
        >>> schema = dpgan.tables.TableSchema(
        ...     {"x": dpgan.tables.Numeric(0, 9), "y": dpgan.tables.Numeric(0, 9)}
        ... )
        >>> rows = pd.DataFrame({"x": [1, 2, 3], "y": [6, 4, 2]})
        >>> dpgan.evaluation.associations(rows, schema).round(6)
        array([[1., 1.],
               [1., 1.]])
    """
    cells = schema.encode(frame)
    numbers = [
        column.to_places(frame[name])
        if isinstance(column, column_kinds.Numeric | column_kinds.Datetime)
        else None
        for name, column in schema.columns.items()
    ]
    found = np.eye(len(numbers))
    for a, b in itertools.combinations(range(len(numbers)), 2):
        first, second = numbers[a], numbers[b]
        if first is not None and second is not None:
            value = _correlation(first, second)
        elif first is None and second is None:
            value = _cramers_v(cells[:, a], cells[:, b])
        else:
            category = cells[:, b] if second is None else cells[:, a]
            value = _correlation_ratio(category, first if second is None else second)
        found[a, b] = found[b, a] = value
    return found


def _correlation(first, second):
    known = ~(np.isnan(first) | np.isnan(second))
    first, second = first[known], second[known]
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return min(abs(float(np.corrcoef(first, second)[0, 1])), 1.0)


def _cramers_v(first, second):
    known = (first != NOWHERE) & (second != NOWHERE)
    n = int(known.sum())
    _, a = np.unique(first[known], return_inverse=True)
    _, b = np.unique(second[known], return_inverse=True)
    if n < 2 or a.max() == 0 or b.max() == 0:
        return 0.0
    shares = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(shares, (a, b), 1.0 / n)
    expected = np.outer(shares.sum(axis=1), shares.sum(axis=0))
    phi = np.sum((shares - expected) ** 2 / expected)
    rows, columns = np.array(shares.shape) - 1
    # What independent columns of so many values have on average.
    phi = max(phi - rows * columns / (n - 1), 0.0)
    fewest = min(rows - rows**2 / (n - 1), columns - columns**2 / (n - 1))
    return float(min(np.sqrt(phi / fewest), 1.0)) if fewest > 0 else 0.0


def _correlation_ratio(category, numbers):
    known = (category != NOWHERE) & ~np.isnan(numbers)
    values = numbers[known]
    _, group = np.unique(category[known], return_inverse=True)
    n, groups = len(values), group.max(initial=0) + 1
    if n <= groups or groups < 2 or np.ptp(values) == 0:
        return 0.0
    sizes = np.bincount(group)
    means = np.bincount(group, values) / sizes
    inside = np.sum((values - means[group]) ** 2) / (n - groups)
    share = 1.0 - inside / np.var(values, ddof=1)
    return float(np.sqrt(min(max(share, 0.0), 1.0)))
