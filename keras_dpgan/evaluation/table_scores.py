"""How near synthetic rows of a table are to real ones, and how useful.

It reads private rows: none of its numbers is private.
"""

import itertools
import typing

import numpy as np

from keras_dpgan._utils import validate
from keras_dpgan.evaluation.table_associations import associations
from keras_dpgan.evaluation.table_records import nearest_records
from keras_dpgan.tables import columns as column_kinds
from keras_dpgan.tables.schema import TableSchema

if typing.TYPE_CHECKING:
    import pandas as pd

WARNING = (
    "These figures were computed from private rows and are not private themselves: "
    "look at them, and do not publish them."
)


def total_variation(
    synthetic: "pd.DataFrame", real: "pd.DataFrame", schema: TableSchema, order: int = 2
) -> float:
    """The mean distance of marginals: of all sets of so many columns.

    Of each set it is half of the sum of absolute differences of the shares of cells:
    0 where they are equal, 1 where no cell is shared. Rows of one distribution have
    some distance, too, that falls with the root of their number.

    Args:
        synthetic: A `pandas.DataFrame`.
        real: A `pandas.DataFrame`.
        schema: The `tables.TableSchema` of both, whose cells are compared.
        order: Positive int, the columns of a set. Defaults to 2.

    Returns:
        Float in [0, 1].

    Raises:
        ValueError: If an argument does not fit.

    Examples:
        >>> import pandas as pd
        >>> schema = dpgan.tables.TableSchema(
        ...     {
        ...         "smoker": dpgan.tables.Boolean(),
        ...         "age": dpgan.tables.Numeric(0, 100, bins=4, integer=True),
        ...     }
        ... )
        >>> real = pd.DataFrame({"smoker": [True, False], "age": [30, 60]})
        >>> other = pd.DataFrame({"smoker": [True, True], "age": [30, 60]})
        >>> dpgan.evaluation.total_variation(other, real, schema, order=1)
        0.25
    """
    validate.check_int("order", order, minimum=1, maximum=len(schema.names))
    found = distances_of_sets(synthetic, real, schema, order)
    return float(np.mean([distance for _, distance in found]))


def distances_of_sets(synthetic, real, schema, order):
    """The distance of each set of columns; see `total_variation`.

    Yields:
        Pairs of a tuple of the places of columns, and a float.
    """
    both = [_encoded(frame, schema) for frame in (synthetic, real)]
    sizes = np.array(schema.num_cells) + 1
    for chosen in itertools.combinations(range(len(sizes)), order):
        flat = []
        for cells in both:
            # Cells without a place are one more cell here.
            places = cells[:, chosen].T % sizes[[*chosen], None]
            flat.append(np.ravel_multi_index(tuple(places), tuple(sizes[[*chosen]])))
        _, numbers = np.unique(np.concatenate(flat), return_inverse=True)
        parts = np.split(numbers, [len(flat[0])])
        shares = [
            np.bincount(part, minlength=numbers.max() + 1) / len(part) for part in parts
        ]
        yield chosen, 0.5 * float(np.abs(shares[0] - shares[1]).sum())


def train_on_synthetic(
    synthetic: "pd.DataFrame",
    test: "pd.DataFrame",
    schema: TableSchema,
    target: str,
    seed: int = 0,
) -> dict:
    """Trains classifiers on synthetic rows and tests them on real ones.

    For a target that is a number they are regressions.

    Args:
        synthetic: A `pandas.DataFrame`, what is trained on: real rows, for comparison.
        test: A `pandas.DataFrame` of real rows that nothing was trained on.
        schema: The `tables.TableSchema` of both.
        target: Name of the column that is predicted.
        seed: Int, of the training. Defaults to 0.

    Returns:
        Dict from `"boosting"` (histogram boosting) and `"linear"` (logistic regression
        of one-hot cells, or ridge regression) to a dict of scores: `"auc"` and
        `"accuracy"`, or `"r2"`. Rows without a target are left out. A target that has
        one value in the synthetic rows has AUC 0.5.

    Raises:
        ValueError: If there is no such column.

    Examples:
        >>> import pandas as pd
        >>> schema = dpgan.tables.TableSchema(
        ...     {
        ...         "smoker": dpgan.tables.Boolean(),
        ...         "age": dpgan.tables.Numeric(0, 100, bins=4, integer=True),
        ...     }
        ... )
        >>> ages = list(range(20, 80)) * 2
        >>> rows = pd.DataFrame({"smoker": [a < 50 for a in ages], "age": ages})
        >>> scores = dpgan.evaluation.train_on_synthetic(rows, rows, schema, "smoker")
        >>> sorted(scores)
        ['boosting', 'linear']
    """
    place = schema.index(target)
    numeric = isinstance(schema.columns[target], column_kinds.Numeric)
    learned, tested = (
        _features(frame, schema, place, numeric) for frame in (synthetic, test)
    )
    return {
        name: _scores(name, learned, tested, numeric, seed)
        for name in ("boosting", "linear")
    }


def coverage(
    synthetic: "pd.DataFrame", real: "pd.DataFrame", schema: TableSchema
) -> float:
    """Of the cells that real rows have in each column, the share that synthetic have.

    Args:
        synthetic: A `pandas.DataFrame`.
        real: A `pandas.DataFrame`.
        schema: The `tables.TableSchema` of both.

    Returns:
        Float in [0, 1], the mean of the columns.

    Examples:
        >>> import pandas as pd
        >>> schema = dpgan.tables.TableSchema(
        ...     {
        ...         "smoker": dpgan.tables.Boolean(),
        ...         "age": dpgan.tables.Numeric(0, 100, bins=4, integer=True),
        ...     }
        ... )
        >>> real = pd.DataFrame({"smoker": [True, False], "age": [30, 60]})
        >>> other = pd.DataFrame({"smoker": [True, True], "age": [30, 60]})
        >>> dpgan.evaluation.coverage(other, real, schema)
        0.75
    """
    made, there = (_encoded(frame, schema) for frame in (synthetic, real))
    shares = []
    for column in range(len(schema.names)):
        wanted = set(there[:, column].tolist()) - {column_kinds.NOWHERE}
        found = wanted & set(made[:, column].tolist())
        shares.append(len(found) / max(len(wanted), 1))
    return float(np.mean(shares))


def evaluate_table(
    synthetic: "pd.DataFrame",
    train: "pd.DataFrame",
    test: "pd.DataFrame",
    schema: TableSchema,
    target: str | None = None,
    seed: int = 0,
) -> dict:
    """Compares synthetic rows with those that they were learned from, and others.

    Beside each score stands that of real rows that nothing was trained on: what one
    can hope for.

    Args:
        synthetic: A `pandas.DataFrame`.
        train: A `pandas.DataFrame`, the private rows.
        test: A `pandas.DataFrame` of further real rows.
        schema: The `tables.TableSchema` of all.
        target: Name of a column to predict. Defaults to `None`: none.
        seed: Int. Defaults to 0.

    Returns:
        Dict with `"total_variation_1"`, `"total_variation_2"`, `"total_variation_3"`,
        `"associations"` (the mean difference of `associations` to those of the private
        rows), `"coverage"`, `"constraint_violations"` (share of rows), `"distance"`
        (to the nearest private row) and, with a target, `"prediction"`; each a dict of
        `"synthetic"` and `"real"`. Besides `"membership"`, an attack (see
        `nearest_records`), and `"warning"`: none of it is private.

    Examples:
        >>> import pandas as pd
        >>> schema = dpgan.tables.TableSchema(
        ...     {
        ...         "smoker": dpgan.tables.Boolean(),
        ...         "age": dpgan.tables.Numeric(0, 100, bins=4, integer=True),
        ...     }
        ... )
        >>> ages = list(range(20, 80)) * 2
        >>> rows = pd.DataFrame({"smoker": [a < 50 for a in ages], "age": ages})
        >>> scores = dpgan.evaluation.evaluate_table(
        ...     rows, train=rows, test=rows, schema=schema, target="smoker"
        ... )
        >>> sorted(scores)[:3]
        ['associations', 'constraint_violations', 'coverage']
    """
    scores: dict[str, typing.Any] = {"warning": WARNING}
    for order in range(1, min(3, len(schema.names)) + 1):
        scores[f"total_variation_{order}"] = {
            "synthetic": total_variation(synthetic, train, schema, order),
            "real": total_variation(test, train, schema, order),
        }
    wanted = associations(train, schema)
    scores["associations"] = {
        side: float(np.abs(associations(frame, schema) - wanted).mean())
        for side, frame in (("synthetic", synthetic), ("real", test))
    }
    scores["coverage"] = {
        "synthetic": coverage(synthetic, train, schema),
        "real": coverage(test, train, schema),
    }
    scores["constraint_violations"] = {
        "synthetic": float(schema.violations(synthetic).mean()),
        "real": float(schema.violations(test).mean()),
    }
    scores |= nearest_records(synthetic, train, test, schema, seed)
    if target is not None:
        scores["prediction"] = {
            "synthetic": train_on_synthetic(synthetic, test, schema, target, seed),
            "real": train_on_synthetic(train, test, schema, target, seed),
        }
    return scores


def _encoded(frame, schema):
    if not len(frame):
        raise ValueError(
            "The tables that are compared must have a row each at least. Received: a "
            "table of none."
        )
    return schema.encode(frame)


def _features(frame, schema, place, numeric):
    """Columns as numbers, as one-hot cells, and the target."""
    cells = _encoded(frame, schema)
    target = schema.names[place]
    known = cells[:, place] != column_kinds.NOWHERE
    known &= ~np.asarray(schema.columns[target].is_null(cells[:, place]))
    if numeric:
        wanted = frame[target].to_numpy(np.float64, na_value=np.nan)
    else:
        wanted = cells[:, place]
    numbers, hot = [], []
    for number, (name, column) in enumerate(schema.columns.items()):
        if number == place:
            continue
        hot.append(np.eye(column.num_cells + 1, dtype=np.float32)[cells[:, number]])
        if isinstance(column, column_kinds.Numeric):
            numbers.append(frame[name].to_numpy(np.float64, na_value=np.nan))
        else:
            numbers.append(cells[:, number].astype(np.float64))
    return np.stack(numbers, 1)[known], np.concatenate(hot, 1)[known], wanted[known]


def _scores(name, train, test, numeric, seed):
    from sklearn import ensemble
    from sklearn import linear_model
    from sklearn import metrics

    kind = 0 if name == "boosting" else 1
    x, y, x_test, y_test = train[kind], train[2], test[kind], test[2]
    if numeric:
        model = ensemble.HistGradientBoostingRegressor(random_state=seed)
        if name == "linear":
            model = linear_model.Ridge()
        return {"r2": float(metrics.r2_score(y_test, model.fit(x, y).predict(x_test)))}
    if len(np.unique(y)) < 2:
        same = y[0] if len(y) else -1
        return {"auc": 0.5, "accuracy": float((y_test == same).mean())}
    model = ensemble.HistGradientBoostingClassifier(random_state=seed)
    if name == "linear":
        model = linear_model.LogisticRegression(max_iter=1000)
    model.fit(x, y)
    # Of several values the mean of each against the rest, of those in both tables.
    chances = model.predict_proba(x_test)
    found = [
        metrics.roc_auc_score(y_test == value, chances[:, number])
        for number, value in enumerate(model.classes_)
        if 0 < (y_test == value).mean() < 1
    ]
    return {
        "auc": float(np.mean(found)) if found else 0.5,
        "accuracy": float((model.predict(x_test) == y_test).mean()),
    }
