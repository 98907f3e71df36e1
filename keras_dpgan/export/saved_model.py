"""Writes the generator as a SavedModel that works with TensorFlow Hub."""

import keras
import tensorflow as tf

from keras_dpgan.sampling.sampler import Sampler

# A Python number is converted to the first of these, which must be able to hold it.
_SEED_DTYPES = (
    tf.int64,
    tf.int8,
    tf.int16,
    tf.int32,
    tf.uint8,
    tf.uint16,
    tf.uint32,
    tf.uint64,
)


def save_generator(generator, latent_shape, condition, documentation, folder):
    """Writes a SavedModel of the generator alone.

    The loaded object has, for every size of batch:

    - `__call__(latents)`, or `__call__([latents, labels])`: one argument, as
      `hub.KerasLayer` and `keras.layers.TFSMLayer` pass one structure; `serve` is
      another name for it;
    - `sample(n, labels=None, seed=None)`: rows or, if conditional, the pair of rows and
      int32 labels. The seed is an integer of any dtype. If rows depend on conditions
      other than a label, `labels` are these conditions;
    - `condition_prior()`: the public conditions from which `sample` draws, if rows
      depend on conditions other than a label, and if there is such a prior;
    - `documentation()`: shapes, dtypes and the range of the pixels, a string;
    - the signature `serving_default`, from `latents` (and `labels`) to `samples`;
    - `variables`, `trainable_variables` and `non_trainable_variables`.

    Source of the interface: tensorflow.org/hub/reusable_saved_models.

    Args:
        generator: A built `keras.Model`.
        latent_shape: Tuple of ints, the shape of one row's latents.
        condition: A `LabelCondition`, a `VectorCondition`, or `None`.
        documentation: String.
        folder: Path of an empty folder.
    """
    archive = keras.export.ExportArchive()
    archive.track(generator)
    _list_weights(archive, generator)
    specs = [tf.TensorSpec((None, *latent_shape), tf.float32, name="latents")]
    if condition is not None:
        shape = (None, *condition.shape)
        specs.append(tf.TensorSpec(shape, condition.dtype, name=condition.name))
    call = archive.add_endpoint(
        "serve",
        lambda inputs: tf.cast(generator(inputs, training=False), tf.float32),
        [specs if len(specs) > 1 else specs[0]],
    )
    call.get_concrete_function()
    archive.add_endpoint("__call__", call)
    archive.add_endpoint("sample", _sampler(call, latent_shape, condition))
    archive.add_endpoint("serving_default", _named(call, specs), specs)
    prior = getattr(condition, "prior", None)
    if prior is not None:
        archive.add_endpoint("condition_prior", lambda: tf.constant(prior), [])
    archive.add_endpoint("documentation", lambda: tf.constant(documentation), [])
    archive.write_out(str(folder), verbose=False)


def _list_weights(archive, generator):
    """Lists the weights that a caller may want to tune.

    Keras would list its own wrappers, which TensorFlow writes a second time, and the
    seeds of layers such as Dropout, which samples do not need.
    """
    for name, weights in (
        ("variables", generator.weights),
        ("trainable_variables", generator.trainable_weights),
        ("non_trainable_variables", generator.non_trainable_weights),
    ):
        archive.add_variable_collection(name, [w.value for w in weights])


def _named(call, specs):
    """`call` with the named inputs and output of a signature."""
    if len(specs) == 1:
        return lambda latents: {"samples": call(latents)}
    if specs[1].name == "labels":
        return lambda latents, labels: {"samples": call([latents, labels])}
    return lambda latents, conditions: {"samples": call([latents, conditions])}


def _sampler(call, latent_shape, condition):
    """`sample(n, labels=None, seed=None)`, traced for each kind of argument."""
    sampler = Sampler(latent_shape, condition)

    @tf.function(autograph=False)
    def draw(n, labels, seed):
        n = _asserted(n >= 0, tf.maximum(n, 0), "`n` must be at least 0")
        latents = sampler.in_graph(sampler.latents, n, seed)
        if condition is None:
            if labels is not None:
                message = "`labels` must be None: the generator takes no labels"
                latents = _asserted(False, latents, message)
            return call(latents)
        if labels is not None:
            labels = _checked_labels(labels, n, condition)
        elif _can_draw(condition):
            labels = sampler.in_graph(sampler.conditions, n, seed)
        else:
            message = "`labels` must be conditions, because there is no prior of them"
            shape = tf.concat([[n], condition.shape], 0)
            labels = _asserted(False, tf.zeros(shape, condition.dtype), message)
        return call([latents, labels]), labels

    @tf.function(autograph=False)
    def sample(n, labels=None, seed=None):
        seed = _fresh_seed() if seed is None else tf.cast(seed, tf.int64)
        return draw(n, labels, seed)

    n = tf.TensorSpec((), tf.int32, name="n")
    # A loaded function converts Python numbers, but not tensors of another dtype.
    for labels in _kinds_of_labels(condition):
        sample.get_concrete_function(n, labels, None)
        for dtype in _SEED_DTYPES:
            seed = tf.TensorSpec((), dtype, name="seed")
            sample.get_concrete_function(n, labels, seed)
    return sample


def _kinds_of_labels(condition):
    """The allowed kinds of `labels`, of any rank: one for all rows, or one each."""
    dtypes: tuple = (tf.int32, tf.int64)
    if condition is not None and condition.dtype == "float32":
        dtypes = (tf.float32,)
    return [None] + [tf.TensorSpec(None, dtype, name="labels") for dtype in dtypes]


def _can_draw(condition):
    return condition.name == "labels" or condition.prior is not None


def _fresh_seed():
    """A seed from the operating system's entropy.

    `tf.random` would write the seed that the training script has set into the
    graph, and everyone who loads it would draw the same samples.
    """
    return tf.raw_ops.RandomUniformInt(
        shape=tf.constant([], tf.int32),
        minval=tf.constant(0, tf.int64),
        maxval=tf.int64.max,
        seed=0,
        seed2=0,
    )


def _checked_labels(labels, n, condition):
    """One label or condition for each row, from one for all or one each."""
    labels = tf.cast(labels, condition.dtype)
    shape, own = tf.shape(labels), tf.constant(condition.shape, tf.int32)
    if condition.name == "labels":
        message = "`labels` must be one int, or ints of shape (n,)"
    else:
        message = (
            f"`labels` must have the shape (n, {condition.shape[0]}) of conditions"
        )
    for_all = _same_shape(shape, own)
    fits = for_all | _same_shape(shape, tf.concat([[n], own], 0))
    labels = tf.reshape(_asserted(fits, labels, message), (-1, *condition.shape))
    # Otherwise a broadcast would raise first, with a less helpful message.
    labels = tf.gather(labels, tf.range(n) % tf.maximum(tf.shape(labels)[0], 1))
    if condition.name != "labels":
        return labels
    num_classes = condition.num_classes
    known = tf.reduce_all((labels >= 0) & (labels < num_classes))
    return _asserted(known, labels, f"`labels` must lie in [0, {num_classes})")


def _same_shape(shape, other):
    same_rank = tf.equal(tf.size(shape), tf.size(other))
    return tf.cond(
        same_rank, lambda: tf.reduce_all(shape == other), lambda: tf.constant(False)
    )


def _asserted(condition, value, message):
    """`value`, which can only be computed if the condition holds."""
    check = tf.debugging.Assert(condition, [message])
    with tf.control_dependencies([check]):
        return tf.identity(value)
