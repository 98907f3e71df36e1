"""Where features are centered and how they are scaled: from generated rows alone."""

import keras
import numpy as np
import tensorflow as tf

from keras_dpgan._utils import keras_internals

# Of the median norm of generated rows: longer ones are shortened to it.
_LONGEST = 1.8
# Of the mean variance: keeps features that hardly vary among generated rows, and may
# among records, from outweighing all others.
_SPREAD_FLOOR = 0.01
_WHITENING_FLOOR = 0.02
_MOST_DIRECTIONS = 5000
_ROWS_AT_ONCE = 500
_TOLERANCE = 1e-4


def frozen(features, row_shape):
    """A copy of the features that nothing trains, with its input declared.

    Args:
        features: A `keras.layers.Layer`, maybe a model.
        row_shape: Tuple of ints.

    Returns:
        A `keras.Model`, whose output has one row per row.

    Raises:
        ValueError: If it is no layer, cannot be copied, or does not take the rows.
    """
    if not isinstance(features, keras.layers.Layer):
        raise ValueError(
            "`features` must be a layer or a model, such as "
            "`features.Scattering()`. For a function use `keras.layers.Lambda`, or a "
            f"registered layer of your own. Received: features={features!r:.80}"
        )
    try:
        keras.Sequential([keras.Input(row_shape), features])
        copy = _copied(features)
        model = keras.Sequential([keras.Input(row_shape), copy], name="features")
        copy.set_weights(features.get_weights())
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"`features` must take rows of shape {tuple(row_shape)}, and have a "
            f"configuration to be copied by. Received: {features!r:.80}, which "
            f"says: {error}"
        ) from error
    model.trainable = False
    if not isinstance(model.output_shape, tuple) or None in model.output_shape[1:]:
        raise ValueError(
            "`features` must give one array of a known number of features per row. "
            f"Received: an output of shape {model.output_shape}"
        )
    _check_never_adapted(model)
    return model


def _copied(features):
    """The same layers with weights of their own."""
    if getattr(features, "inputs", None):
        return keras.models.clone_model(features)
    return type(features).from_config(features.get_config())


def _check_never_adapted(model):
    for layer in keras_internals.all_layers(model):
        is_fitted = isinstance(layer, keras.layers.Normalization)
        if is_fitted and layer.input_mean is None:
            raise ValueError(
                f"`features` must be public, and their layer {layer.name!r} keeps a "
                "mean and a variance that `adapt` computes from rows. Leave it out: "
                "features are standardized by generated rows. Or give it public "
                "numbers, `Normalization(mean=..., variance=...)`."
            )


def check_keeps_rows_apart(features, row_shape, batch_size):
    """Raises a `ValueError` unless each row's features come from that row alone.

    Args:
        features: What `frozen` gives.
        row_shape: Tuple of ints.
        batch_size: Int, the rows that will be read at once.
    """
    rng = np.random.default_rng(0)
    rows = rng.uniform(-1, 1, (batch_size, *row_shape)).astype(np.float32)
    before = [np.copy(w) for w in features.get_weights()]
    full = _of(features, rows)
    changed = rows.copy()
    changed[1] = 3.0 - 2.0 * rows[2]
    others = np.arange(batch_size) != 1
    few = rows[:3]
    is_same = (
        np.isfinite(full).all()
        and _agree(_of(features, changed)[others], full[others])
        and _agree(_of(features, few), full[:3])
        and _agree(_of(features, rows[::-1])[::-1], full)
        and all(map(np.array_equal, before, features.get_weights()))
    )
    if not is_same:
        raise ValueError(
            "`features` must compute each row from that row alone, and the same each "
            "time: these draw random numbers, keep what they saw, are not finite, or "
            "mix rows, so that one record would move the features of others. Compute "
            "without reductions over the first axis. Received: a model that ends in "
            f"the layer {features.layers[-1].name!r}"
        )


def _of(features, rows):
    return np.asarray(features(rows, training=False), np.float32)


def _agree(found, expected):
    scale = 1.0 + np.abs(expected).max()
    return np.abs(found - expected).max() <= _TOLERANCE * scale


def set_by(critic, gan, num_reference, max_norm):
    """Sets all of a critic that its released sums rest on.

    Args:
        critic: A `ReleasedCritic`.
        gan: A `DPGAN`.
        num_reference: Int, the rows that it generates.
        max_norm: Float, or `None`: as the generated rows have it.
    """
    labels = np.arange(num_reference) % critic.num_labels
    if critic.num_classes is None:
        rows = gan.sample(num_reference, seed=0)
    else:
        rows, _ = gan.sample(num_reference, labels, seed=0)
    if critic.groups_per_label > 1:
        flat = rows.reshape(num_reference, -1)
        critic.group_rows.assign(_centers(flat, labels, critic))
    # The features as they are, since the spread is still one and the center zero.
    critic.spread.assign(np.ones(critic.num_features))
    critic.max_norm.assign(np.finfo(np.float32).max)
    groups, found, _ = _embedded(critic, rows, labels)
    center = _means(found, groups, labels, critic)
    found -= center[groups]
    variance = np.mean(found**2, axis=0)
    spread = np.sqrt(variance + _SPREAD_FLOOR * variance.mean())
    spread[spread == 0] = 1.0
    found /= spread
    critic.center.assign(center)
    critic.spread.assign(spread)
    critic.max_norm.assign(max_norm or _LONGEST * _median_norm(found))
    critic.max_square_norm.assign(1.0)
    if critic.second_moments:
        basis = _whitening(found, critic.second_moments)
        critic.basis.assign(basis)
        critic.max_square_norm.assign(_LONGEST * _median_norm(found @ basis))


def _centers(rows, labels, critic):
    """Where k-means puts the groups among the generated rows of each label."""
    from sklearn import cluster

    return np.concatenate(
        [
            cluster.KMeans(critic.groups_per_label, n_init=1, random_state=0)
            .fit(rows[labels == label])
            .cluster_centers_
            for label in range(critic.num_labels)
        ]
    )


def _embedded(critic, rows, labels):
    """Groups and features of many rows."""
    embed = tf.function(critic, reduce_retracing=True)
    parts = []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        mine = slice(start, start + _ROWS_AT_ONCE)
        parts.append([t.numpy() for t in embed([rows[mine], labels[mine]])])
    return (np.concatenate(part) for part in zip(*parts, strict=True))


def _means(found, groups, labels, critic):
    """The mean of each group; where no generated row is in it, of its label."""
    means = np.empty((critic.num_groups, critic.num_features), np.float32)
    for group in range(critic.num_groups):
        mine = groups == group
        if not mine.any():
            mine = labels == group // critic.groups_per_label
        means[group] = found[mine].mean(axis=0)
    return means


def _median_norm(rows):
    """The median of the rows' norms, or one where that is zero."""
    return float(np.median(np.linalg.norm(rows, axis=1))) or 1.0


def _whitening(found, directions):
    """Columns that turn features into directions of variance one, largest first."""
    size = found.shape[1]
    if directions > size or size > _MOST_DIRECTIONS:
        raise ValueError(
            "`second_moments` must be at most the number of features, of which there "
            f"may be {_MOST_DIRECTIONS} at most. Use fewer directions, or a model "
            f"with a smaller output. Received: second_moments={directions} for {size} "
            "features"
        )
    values, vectors = np.linalg.eigh(found.T @ found / len(found))
    values = np.maximum(values[::-1][:directions], 0.0)
    floor = _WHITENING_FLOOR * values.mean()
    return vectors[:, ::-1][:, :directions] / np.sqrt(values + floor)
