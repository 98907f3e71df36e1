"""The generator of a table: latents in, rows with names and types out."""

import collections.abc
import json
import pathlib
import secrets
import typing

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan import privacy
from keras_dpgan._utils import validate
from keras_dpgan.sampling.sampler import Sampler
from keras_dpgan.sampling.sampler import check_seed
from keras_dpgan.tables.exporting import export_table
from keras_dpgan.tables.mixture import ProductMixture
from keras_dpgan.tables.pandas_library import pandas
from keras_dpgan.tables.schema import TableSchema

if typing.TYPE_CHECKING:
    import pandas as pd

_RELEASED = (
    "the generator and any data drawn from it",
    "the noisy counts that it was fitted to",
)
_ASSUMPTIONS = ("the schema was made without looking at the private rows",)
_GOLDEN_RATIO = (np.sqrt(5.0) - 1.0) / 2.0
# So many rows are drawn at least for each row asked for, before constraints count as
# ones that cannot be kept.
_MOST_DRAWS = 100


@keras.saving.register_keras_serializable(package="keras_dpgan")
class TableGenerator(keras.Model):
    """Draws rows of a table that was learned with differential privacy.

    `recipes.table` makes it. A row comes from a component of a `ProductMixture`: one
    standard normal latent chooses the component, one for each column its cell, and
    one for each column the place inside of the cell. It is a `keras.Model`: `save` and
    `keras.models.load_model` work, and the privacy history travels along.

    Args:
        schema: A `TableSchema`, or the dict of one.
        components: Int.
        history: Dict of a `privacy.PrivacyHistory`: what was spent. Defaults to
            `None`: nothing, as long as it is not fitted.
        delta: Float in (0, 1), of statements. Defaults to `None`: not set.
        max_records_per_person: Positive int: rows that statements protect together.
            Defaults to 1.
        num_rows: Int, how many rows `sample` draws by default. Defaults to 1000.

    Examples:
        >>> import pandas as pd
        >>> schema = dpgan.tables.TableSchema({"smoker": dpgan.tables.Boolean()})
        >>> rows = pd.DataFrame({"smoker": [True, False, False] * 10})
        >>> generator = dpgan.recipes.table(
        ...     rows, schema, epsilon=1.0, delta=1e-3, verbose=0
        ... )
        >>> generator.sample(5).shape
        (5, 1)
        >>> generator.save("smokers.keras")
    """

    def __init__(
        self,
        schema: TableSchema | dict,
        components: int,
        history: dict | None = None,
        delta: float | None = None,
        max_records_per_person: int = 1,
        num_rows: int = 1000,
        **kwargs: typing.Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(schema, TableSchema):
            schema = TableSchema.from_dict(schema)
        self.schema = schema
        self.components = components
        self.delta = delta
        self.max_records_per_person = max_records_per_person
        self.num_rows = num_rows
        self.history = privacy.PrivacyHistory()
        if history is not None:
            self.history = privacy.PrivacyHistory.from_json(json.dumps(history))
        self.mixture = ProductMixture(schema.num_cells, components, name="mixture")
        self.built = True

    @property
    def latent_dim(self) -> int:
        """The size of one row's latents, an int."""
        return 1 + 2 * len(self.schema.names)

    def call(
        self,
        latents: tf.Tensor,
        component: tf.Tensor | None = None,
        known: tf.Tensor | None = None,
    ) -> dict[str, tf.Tensor]:
        """Rows for latents.

        Args:
            latents: Float32 tensor of shape `(rows, latent_dim)`, standard normal.
            component: Int tensor of shape `(rows,)`. Defaults to `None`: that of the
                first latent.
            known: Int tensor of shape `(rows, columns)`: cells that are given, and -1
                where none is. Defaults to `None`: none is.

        Returns:
            Dict of tensors; see `TableSchema.decode`.
        """
        cells, places = self._cells(latents, component)
        if known is not None:
            cells = [
                tf.where(known[:, column] < 0, cell, known[:, column])
                for column, cell in enumerate(cells)
            ]
        for first, second in self.schema.dependencies:
            follows = tf.gather(self._most_probable(first, second), cells[first])
            if known is not None:
                follows = tf.where(known[:, second] < 0, follows, known[:, second])
            cells[second] = follows
        return self.schema.decode(tf.stack(cells, axis=1), places)

    def _most_probable(self, first, second):
        """For each cell of a column the most probable one of another."""
        columns = self.mixture.by_column()
        both = tf.matmul(columns[first], columns[second], transpose_a=True)
        return tf.argmax(both, axis=1, output_type=tf.int32)

    def _cells(self, latents, component):
        uniform = _uniform(latents)
        if component is None:
            component = tf.cast(uniform[:, 0] * self.components, tf.int32)
        rows = tf.cast(tf.gather(self.mixture(), component), tf.float64)
        number = len(self.schema.names)
        cells = []
        for column in range(number):
            cumulated = tf.cumsum(rows[:, self.mixture.slice(column)], axis=1)
            threshold = uniform[:, 1 + column : 2 + column] * cumulated[:, -1:]
            cell = tf.reduce_sum(tf.cast(threshold >= cumulated, tf.int32), axis=1)
            cells.append(tf.minimum(cell, self.schema.num_cells[column] - 1))
        return cells, uniform[:, 1 + number :]

    def sample(
        self,
        n: int | None = None,
        conditions: dict | None = None,
        seed: int | None = None,
    ) -> "pd.DataFrame":
        """Draws rows.

        ```python
        rows = generator.sample(1000, conditions={"married": True})
        ```

        Args:
            n: Non-negative int. Defaults to `None`: as many as the table was
                estimated to have.
            conditions: Dict from names of columns to what they have to be in all
                rows: a value, or an array of `n` of them. The other columns are
                drawn given these. Of the constraints of the schema only
                dependencies are kept then, where none of the conditions breaks them.
                Defaults to `None`.
            seed: Non-negative int below 2**63, to repeat a draw. Defaults to `None`.

        Returns:
            A `pandas.DataFrame` with the columns of the schema, in its dtypes.

        Raises:
            ValueError: If an argument does not fit, or hardly any row keeps the
                constraints of the schema.
        """
        n = self.num_rows if n is None else n
        validate.check_int("n", n, minimum=0)
        given = self._given(conditions, n)
        parts = [values for values, _ in self._parts(n, given, seed)]
        values = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        return self._frame(values, given)

    def batches(
        self, n: int, conditions: dict | None = None, seed: int | None = None
    ) -> "collections.abc.Iterator[pd.DataFrame]":
        """Draws rows in parts, so that any number of them fits in memory.

        Args:
            n: Non-negative int, the rows of all parts together.
            conditions: As in `sample`.
            seed: As in `sample`: the rows are the same.

        Returns:
            An iterator of `pandas.DataFrame`s of up to 1,024 rows.

        Raises:
            ValueError: If an argument does not fit.
        """
        validate.check_int("n", n, minimum=0)
        given = self._given(conditions, n)
        return (
            self._frame(values, mine) for values, mine in self._parts(n, given, seed)
        )

    def _parts(self, n, given, seed):
        """Decoded values part by part, and the conditions on these rows."""
        seed = secrets.randbits(63) if seed is None else check_seed(seed)
        if given or not self.schema.constraints:
            return self._drawn(n, given, seed)
        return self._kept(n, seed)

    def _kept(self, n, seed):
        """The parts, without rows that break a constraint."""
        missing = n
        for values, _ in self._drawn(_MOST_DRAWS * max(n, 1), {}, seed):
            values, outside = self.schema.with_sums(values)
            broken = self.schema.violations(self.schema.to_frame(values)) | outside
            kept = np.flatnonzero(~broken)[:missing]
            missing -= len(kept)
            yield {name: part[kept] for name, part in values.items()}, {}
            if not missing:
                return
        raise ValueError(
            "`constraints` of the schema must hold in one of a hundred rows at least, "
            "so that others can be drawn again. Received: "
            f"constraints={self.schema.constraints!r:.200}. Write an equation with the "
            "column that follows alone on one side, 'total == food + rent', and give "
            "it bounds that hold its values; or leave the column out."
        )

    def _drawn(self, n, given, seed):
        sampler = Sampler((self.latent_dim,), None)
        start, shift = 0, None
        for latents, _ in sampler.batches(n, None, seed):
            if shift is None:
                shift = _uniform(latents[:1, :1]).numpy() if n else 0.0
            mine = {
                name: tuple(part[start : start + len(latents)] for part in both)
                for name, both in given.items()
            }
            # Each component is met as often as it should be, up to one row: by steps of
            # the golden ratio (Kronecker's sequence) instead of by chance.
            rows = np.arange(start, start + len(latents))
            chance = np.mod(shift + rows[:, None] * _GOLDEN_RATIO, 1.0)
            component = (chance[:, 0] * self.components).astype(np.int32)
            known = None
            if given:
                component = self._components_given(mine, chance)
                known = np.full((len(latents), len(self.schema.names)), -1, np.int32)
                for name, (_, cells) in mine.items():
                    known[:, self.schema.index(name)] = cells
            values = self._decoded(latents, component, known)
            yield {name: part.numpy() for name, part in values.items()}, mine
            start += len(latents)

    def _frame(self, values, given):
        frame = self.schema.to_frame(values)
        for name, (wanted, _) in given.items():
            frame[name] = wanted.to_numpy()
        return frame

    @property
    def _decoded(self):
        """`call`, compiled once for each kind of argument."""
        if not hasattr(self, "_compiled_call"):
            self._compiled_call = tf.function(
                self.call, reduce_retracing=True, autograph=False
            )
        return self._compiled_call

    def _components_given(self, given, chance):
        """A component for each row, by its probability given what is known."""
        probabilities = self.mixture().numpy()
        logs = np.zeros((len(chance), self.components))
        for name, (_, cells) in given.items():
            place = self.mixture.slice(self.schema.index(name))
            logs += np.log(np.maximum(probabilities[:, place], 1e-30)).T[cells]
        weights = np.exp(logs - logs.max(axis=1, keepdims=True))
        cumulated = np.cumsum(weights, axis=1)
        found = (chance * cumulated[:, -1:] >= cumulated).sum(axis=1)
        return np.minimum(found, self.components - 1).astype(np.int32)

    def _given(self, conditions, n):
        """Conditions as series of values and arrays of cells, by column."""
        if conditions is None:
            return {}
        if not isinstance(conditions, dict):
            raise ValueError(
                "`conditions` must be a dict from names of columns to values. "
                f"Received: conditions={conditions!r:.80}."
            )
        given = {}
        for name, value in conditions.items():
            self.schema.index(name, "conditions")
            alone = np.ndim(value) == 0
            values = pandas().Series([value] * n if alone else value, name=name)
            values = values.reset_index(drop=True)
            if len(values) != n:
                raise ValueError(
                    f"`conditions` must have a value, or {n} values, for each column. "
                    f"Received: {len(values)} values for {name!r}."
                )
            column = self.schema.columns[name]
            cells = column.encode(values)
            if (cells < 0).any():
                raise ValueError(
                    f"`conditions` must be values that the column {name!r} has in the "
                    f"schema. Received: {values[cells < 0].iloc[0]!r:.80}."
                )
            given[name] = (values, cells)
        return given

    def privacy_statement(self, delta: float | None = None) -> privacy.PrivacyStatement:
        """What is promised about the private table; a `privacy.PrivacyStatement`.

        Args:
            delta: Float in (0, 1). Defaults to `None`: that of the fit.
        """
        delta = self.delta if delta is None else delta
        return privacy.privacy_statement(
            self.history,
            1e-5 if delta is None else delta,
            # `num_rows` is an estimate from the noisy counts.
            num_examples_is_public=False,
            max_records_per_person=self.max_records_per_person,
            released=_RELEASED,
            assumptions=_ASSUMPTIONS,
        )

    def export(self, filepath: str, overwrite: bool = False) -> None:
        """Writes a SavedModel with the schema and the privacy card.

        `export.load(filepath).sample(1000)` gives a `pandas.DataFrame`;
        `serving_default` takes `latents`, and gives the columns by their names.

        Args:
            filepath: The folder to make.
            overwrite: Whether an export that is there is replaced. Defaults to
                `False`.

        Raises:
            FileExistsError: If `filepath` exists and `overwrite` is `False`.
        """
        export_table(self, pathlib.Path(filepath), overwrite)

    def get_config(self) -> dict[str, typing.Any]:
        return {
            **super().get_config(),
            "schema": self.schema.to_dict(),
            "components": self.components,
            "history": json.loads(self.history.to_json()),
            "delta": self.delta,
            "max_records_per_person": self.max_records_per_person,
            "num_rows": self.num_rows,
        }


def _uniform(latents):
    """Standard normal numbers as evenly distributed ones in [0, 1)."""
    uniform = 0.5 * tf.math.erfc(-tf.cast(latents, tf.float64) / np.sqrt(2.0))
    return tf.clip_by_value(uniform, 0.0, np.nextafter(1.0, 0.0))
