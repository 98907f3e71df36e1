"""Whether rows of a synthetic table come too near to rows that it was learned from.

It reads private rows: none of its numbers is private.
"""

import dataclasses
import typing

import numpy as np

from keras_dpgan.evaluation import attacks
from keras_dpgan.evaluation import neighbours
from keras_dpgan.evaluation.membership import membership_inference
from keras_dpgan.tables import columns as column_kinds
from keras_dpgan.tables.schema import TableSchema

if typing.TYPE_CHECKING:
    import pandas as pd

# Rows that are looked up, and rows that they are looked up in, of each table at most.
_MOST_LOOKED_UP = 2_000
_MOST_ROWS = 50_000
# An attack on fewer rows of either kind says nothing.
_FEWEST_ROWS = 10


def nearest_records(
    synthetic: "pd.DataFrame",
    train: "pd.DataFrame",
    test: "pd.DataFrame",
    schema: TableSchema,
    seed: int = 0,
) -> dict:
    """Distances to the nearest private row, and an attack that goes by distances.

    Columns count alike: a category, a gap or a truth value that differs is at distance
    one, numbers and dates by the share of their range. 2,000 rows of each table are
    looked up, in 50,000 at most. The attack takes a row for a member of the private
    table that is near to a synthetic row; see `membership_inference`.

    Args:
        synthetic: A `pandas.DataFrame`.
        train: A `pandas.DataFrame`, the private rows.
        test: A `pandas.DataFrame` of further real rows.
        schema: The `tables.TableSchema` of all.
        seed: Int, of the choice of rows. Defaults to 0.

    Returns:
        Dict with `"distance"`: for `"synthetic"` rows and for `"real"` ones that
        nothing was learned from a dict of `"median"`, `"lowest_hundredth"` and
        `"identical"` (share of rows) of the distance to the nearest private row; and
        `"membership"`: the fields of a `MembershipInference`, `None` where one of the
        tables has fewer than 10 rows. None of it is private.

    Examples:
        >>> import pandas as pd
        >>> schema = dpgan.tables.TableSchema({"age": dpgan.tables.Numeric(0, 100)})
        >>> train, test = pd.DataFrame({"age": [30, 60]}), pd.DataFrame({"age": [20]})
        >>> found = dpgan.evaluation.nearest_records(train, train, test, schema)
        >>> found["distance"]["synthetic"]["identical"]
        1.0
        >>> found["distance"]["real"]["median"]
        0.1
    """
    rng = np.random.default_rng(seed)
    made, learned, others = (
        _coordinates(_some(frame, _MOST_ROWS, rng), schema)
        for frame in (synthetic, train, test)
    )
    distance = {
        "synthetic": _distances(made[:_MOST_LOOKED_UP], learned),
        "real": _distances(others[:_MOST_LOOKED_UP], learned),
    }
    members, outsiders = learned[:_MOST_LOOKED_UP], others[:_MOST_LOOKED_UP]
    membership = None
    if min(len(members), len(outsiders)) >= _FEWEST_ROWS:
        scores = attacks.nearness_scores(made, np.concatenate([members, outsiders]))
        is_member = np.arange(len(scores)) < len(members)
        membership = dataclasses.asdict(membership_inference(scores, is_member))
    return {"distance": distance, "membership": membership}


def _some(frame, most, rng):
    """So many rows of a table at most, in a random order."""
    return frame.iloc[rng.permutation(len(frame))[:most]]


def _distances(rows, references):
    nearest = neighbours.nearest(rows, references)[0][:, 0]
    return {
        "median": round(float(np.median(nearest)), 6),
        "lowest_hundredth": round(float(np.quantile(nearest, 0.01)), 6),
        "identical": float((nearest == 0).mean()),
    }


def _coordinates(frame, schema):
    """Rows as float32 points, at a distance of one where a category differs."""
    cells = schema.encode(frame)
    parts = []
    for number, (name, column) in enumerate(schema.columns.items()):
        mine = cells[:, number]
        if not isinstance(column, column_kinds.Numeric | column_kinds.Datetime):
            hot = np.eye(column.num_cells + 1, dtype=np.float32)[mine]
            parts.append(hot / np.sqrt(2))
            continue
        places = column.to_places(frame[name])
        gap = np.isnan(places)
        parts.append(np.stack([np.where(gap, 0.0, places), gap], axis=1))
    return np.concatenate(parts, axis=1).astype(np.float32)
