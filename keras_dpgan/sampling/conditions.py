"""The condition for which a row is generated: a label, or a vector."""

import typing

import numpy as np
import tensorflow as tf

from keras_dpgan._utils.labels import check_labels


class LabelCondition:
    """One label per row.

    Args:
        num_classes: Int.
        prior: Non-negative numbers, one per label, in proportion to which labels are
            drawn. Defaults to `None`: uniform.

    Raises:
        ValueError: If `prior` does not fit.
    """

    name = "labels"
    shape = ()
    dtype = "int32"

    def __init__(self, num_classes, prior=None):
        self.num_classes = num_classes
        self.probabilities = _probabilities(prior, num_classes)

    def draw(self, n, draws):
        """Draws `n` labels from the prior, an int32 tensor of shape `(n,)`."""
        return draws.categories(self.probabilities, n)

    def random(self, n, rng):
        """Labels to probe a network with, whatever the prior."""
        return tf.constant(rng.integers(0, self.num_classes, n), tf.int32)

    def is_in_range(self, labels):
        """Which labels of a batch are in range, a bool tensor of shape `(n,)`."""
        labels = tf.cast(tf.reshape(labels, [-1]), tf.int64)
        return (labels >= 0) & (labels < self.num_classes)

    def of_batch(self, labels):
        """A batch's labels, clipped to the range, int32 of shape `(n,)`."""
        # A label out of range would select the fakes of another class.
        labels = tf.clip_by_value(tf.cast(labels, tf.int32), 0, self.num_classes - 1)
        return tf.reshape(labels, [-1])

    def check(self, labels, n):
        """The labels asked for, one for each of `n` rows, as an int32 array.

        Args:
            labels: Int array of shape `(n,)`, or one int for all.
            n: Int.

        Raises:
            ValueError: If `labels` are anything else.
        """
        if np.ndim(labels) == 0 and labels is not None:
            # No array of `n` is made: a sampler draws more rows than memory holds.
            one = check_labels("labels", np.reshape(labels, 1), 1, self.num_classes)
            return np.broadcast_to(one, (n,))
        return check_labels("labels", labels, n, self.num_classes)


class VectorCondition:
    """Several numbers, or several categories, per row.

    Args:
        shape: Tuple of one int, the numbers per row.
        dtype: `"float32"`, or `"int32"` for categories.
        prior: Array of shape `(m, *shape)`: public conditions, one of which is chosen
            for each draw. Defaults to `None`: nothing can be drawn.

    Raises:
        ValueError: If `prior` does not fit.
    """

    name = "conditions"

    def __init__(self, shape, dtype, prior=None):
        self.shape = tuple(shape)
        self.dtype = dtype
        self.prior: typing.Any = None if prior is None else self._checked_prior(prior)

    def _checked_prior(self, prior):
        prior = np.asarray(prior)
        if prior.shape[1:] != self.shape or not prior.size or not self._holds(prior):
            raise ValueError(
                "`condition_prior` must be an array of public conditions, "
                f"{self._described('m')} with m of at least 1. Received: "
                f"condition_prior of shape {prior.shape} and dtype {prior.dtype}"
            )
        return prior.astype(self.dtype)

    def _holds(self, values):
        """Whether the values are finite numbers of the condition's kind."""
        kinds = "iu" if self.dtype == "int32" else "fiu"
        return values.dtype.kind in kinds and bool(np.isfinite(values).all())

    def _described(self, n):
        numbers = "ints" if self.dtype == "int32" else "finite numbers"
        shape = ", ".join([str(n), *map(str, self.shape)])
        return f"{numbers} of shape ({shape})"

    def draw(self, n, draws):
        """Draws `n` conditions from the prior, a tensor of shape `(n, *shape)`."""
        if self.prior is None:
            raise ValueError(
                "The model's rows depend on conditions of shape "
                f"{self.shape}, and there is no public prior to draw them from. Give "
                "the conditions to `sample` as its second argument, or give `compile` "
                "a `condition_prior`."
            )
        return tf.gather(self.prior, draws.integers((n,), len(self.prior)))

    def random(self, n, rng):
        """Conditions to probe a network with."""
        if self.dtype == "int32":
            # Only the prior tells which categories exist.
            return tf.constant(self.prior[rng.integers(0, len(self.prior), n)])
        return tf.constant(rng.uniform(-1, 1, (n, *self.shape)), tf.float32)

    def is_in_range(self, conditions):
        """Which of a batch's conditions are in range, a bool tensor of shape `(n,)`.

        Any number is; a category is if it lies between those of the public prior.
        """
        conditions = tf.reshape(conditions, (-1, *self.shape))
        if self.dtype != "int32":
            return tf.ones(tf.shape(conditions)[:1], tf.bool)
        low, high = self._category_range()
        conditions = tf.cast(conditions, tf.int64)
        return tf.reduce_all((low <= conditions) & (conditions <= high), axis=1)

    def of_batch(self, conditions):
        """A batch's conditions in the right dtype and shape, clipped to the range."""
        conditions = tf.reshape(conditions, (-1, *self.shape))
        if self.dtype == "int32":
            # An embedding has no row for other categories.
            low, high = self._category_range()
            conditions = tf.clip_by_value(tf.cast(conditions, tf.int64), low, high)
        return tf.cast(conditions, self.dtype)

    def _category_range(self):
        """The lowest and the highest category of each position in the prior."""
        prior = self.prior.astype(np.int64)
        return prior.min(axis=0), prior.max(axis=0)

    def check(self, conditions, n):
        """The conditions asked for, one for each of `n` rows, as an array.

        Args:
            conditions: Array of shape `(n, *shape)`, or of `shape`: one for all.
            n: Int.

        Raises:
            ValueError: If `conditions` are anything else.
        """
        values = np.asarray(conditions)
        fits = values.shape in (self.shape, (n, *self.shape))
        if not fits or not self._holds(values):
            raise ValueError(
                f"`labels` must be the conditions of the rows, {self._described(n)}, "
                f"or one condition of shape {self.shape} for all rows. Received: "
                f"labels of shape {values.shape} and dtype {values.dtype}"
            )
        return np.broadcast_to(values.astype(self.dtype), (n, *self.shape))

    def check_public(self, y):
        """Raises if the prior equals the records' own conditions, array `y`."""
        y = np.asarray(y)
        if self.prior is not None and np.array_equal(self.prior, y.astype(self.dtype)):
            raise ValueError(
                "`condition_prior` must be public, but it equals the records' own `y`, "
                "which files of the model and exports would then publish. Use "
                "conditions that everyone may know, or draw them from a private "
                "release whose cost is counted. "
                f"Received: condition_prior of shape {self.prior.shape}, equal to y"
            )

    def check_values(self, y, start):
        """Raises unless the categories of records are within the prior's range.

        Args:
            y: Array of shape `(n, *shape)`.
            start: Int, the number of the first of these records.
        """
        if self.dtype != "int32" or self.prior is None:
            return
        low, high = self._category_range()
        bad = (y < low) | (y > high)
        if bad.any():
            record, position = (int(i) for i in np.argwhere(bad)[0])
            raise ValueError(
                f"`y` must hold categories from {low.tolist()} to {high.tolist()}, the "
                "range of those in `condition_prior`, because no fakes are made for "
                "others. Add rows with the other categories to the prior, or leave "
                f"these records out. Received: {y[record, position]} at position "
                f"{position} of record {start + record}"
            )

    def check_records(self, shape, dtype):
        """Raises unless the `y` of records has the form of conditions.

        Args:
            shape: The shape of one record's `y`; `None` where there is none.
            dtype: Its NumPy dtype, or `None`.
        """
        kinds = "iu" if self.dtype == "int32" else "fiu"
        if shape is None:
            received = "y=None"
        elif tuple(shape) == self.shape and dtype.kind in kinds:
            return
        else:
            received = f"y of shape {('n', *shape)} and dtype {dtype}"
        raise ValueError(
            "`y` must hold one condition for each record: "
            f"{self._described('n')}. Received: {received}"
        )


def with_prior(condition, label_prior, condition_prior):
    """The condition of a model, with the prior that `compile` was given.

    Args:
        condition: A `LabelCondition`, a `VectorCondition`, or `None`.
        label_prior: As given to `compile`, or `None`.
        condition_prior: As given to `compile`, or `None`.

    Returns:
        A condition of the same kind.

    Raises:
        ValueError: If a prior does not fit, or if one is missing.
    """
    kind = getattr(condition, "name", None)
    for name, value, wanted in (
        ("label_prior", label_prior, "labels"),
        ("condition_prior", condition_prior, "conditions"),
    ):
        if value is not None and kind != wanted:
            raise ValueError(
                f"`{name}` must be None, because the generator takes "
                f"{kind or 'only latents'}. Received: {name}={value!r:.80}"
            )
    if kind is None:
        return None
    if kind == "labels":
        return LabelCondition(condition.num_classes, label_prior)
    if condition_prior is None:
        raise ValueError(
            "`condition_prior` must be an array of public conditions, of shape (m, "
            f"{condition.shape[0]}). Fakes are made for conditions drawn from it, and "
            "never for those of records. Use conditions that everyone may know, or "
            "draw them from a private release whose cost is counted. Received: "
            "condition_prior=None"
        )
    return VectorCondition(condition.shape, condition.dtype, condition_prior)


def _probabilities(prior, num_classes):
    """The label prior as a list of probabilities."""
    if prior is None:
        return [1.0 / num_classes] * num_classes
    given, prior = prior, np.asarray(prior, np.float64)
    if prior.shape != (num_classes,) or (prior < 0).any() or prior.sum() <= 0:
        raise ValueError(
            "`label_prior` must be one non-negative number per label, for "
            f"num_classes={num_classes}. Received: label_prior={given}"
        )
    return (prior / prior.sum()).tolist()
