"""The generator as a SavedModel that TensorFlow Hub's callers understand."""

import keras
import tensorflow as tf


def save_generator(generator, latent_dim, label_probabilities, documentation, folder):
    """Writes a SavedModel of the generator alone.

    What is loaded from it has, for every size of batch:

    - `__call__(latents)`, or `__call__([latents, labels])`: one argument, as
      `hub.KerasLayer` and `keras.layers.TFSMLayer` pass one structure; `serve` is
      another name for it;
    - `sample(n, labels=None, seed=None)`: rows or, if conditional, the pair of
      rows and int32 labels;
    - `documentation()`: shapes, dtypes and the range of the pixels, a string;
    - the signature `serving_default`, from `latents` (and `labels`) to `samples`;
    - `variables`, `trainable_variables` and `non_trainable_variables`.

    Source of the interface: tensorflow.org/hub/reusable_saved_models.

    Args:
        generator: A built `keras.Model`.
        latent_dim: Int.
        label_probabilities: List of floats, the public probability of each
            label; `None` for an unconditional generator.
        documentation: String.
        folder: Path of an empty folder.
    """
    archive = keras.export.ExportArchive()
    archive.track(generator)
    _list_weights(archive, generator)
    specs = [tf.TensorSpec((None, latent_dim), tf.float32, name="latents")]
    if label_probabilities is not None:
        specs.append(tf.TensorSpec((None,), tf.int32, name="labels"))
    call = archive.add_endpoint(
        "serve",
        lambda inputs: tf.cast(generator(inputs, training=False), tf.float32),
        [specs if len(specs) > 1 else specs[0]],
    )
    call.get_concrete_function()
    archive.add_endpoint("__call__", call)
    archive.add_endpoint("sample", _sampler(call, latent_dim, label_probabilities))
    archive.add_endpoint("serving_default", _named(call, len(specs)), specs)
    archive.add_endpoint("documentation", lambda: tf.constant(documentation), [])
    archive.write_out(str(folder), verbose=False)


def _list_weights(archive, generator):
    """Names the weights that a caller may want to tune.

    Keras lists its own wrappers, which TensorFlow writes a second time, and the
    seeds of layers such as Dropout, which no sample needs.
    """
    for name, weights in (
        ("variables", generator.weights),
        ("trainable_variables", generator.trainable_weights),
        ("non_trainable_variables", generator.non_trainable_weights),
    ):
        archive.add_variable_collection(name, [w.value for w in weights])


def _named(call, num_inputs):
    """`call` with the named inputs and output of a signature."""
    if num_inputs == 1:
        return lambda latents: {"samples": call(latents)}
    return lambda latents, labels: {"samples": call([latents, labels])}


def _sampler(call, latent_dim, label_probabilities):
    """`sample(n, labels=None, seed=None)`, traced for each kind of argument."""
    conditional = label_probabilities is not None

    @tf.function(autograph=False)
    def sample(n, labels=None, seed=None):
        n = _asserted(n >= 0, tf.maximum(n, 0), "`n` must be at least 0")
        seed = _fresh_seed() if seed is None else tf.stack([seed, 0])
        latents = tf.random.stateless_normal([n, latent_dim], seed)
        if not conditional:
            if labels is not None:
                message = "`labels` must be None: the generator is not conditional"
                latents = _asserted(False, latents, message)
            return call(latents)
        if labels is None:
            labels = _draw_labels(n, label_probabilities, seed)
        else:
            labels = _checked_labels(labels, n, len(label_probabilities))
        return call([latents, labels]), labels

    n = tf.TensorSpec((), tf.int32, name="n")
    # Of any rank: one label for all rows, or one each.
    kinds_of_labels = [None] + [
        tf.TensorSpec(None, dtype, name="labels") for dtype in (tf.int32, tf.int64)
    ]
    for labels in kinds_of_labels:
        for seed in (None, tf.TensorSpec((), tf.int64, name="seed")):
            sample.get_concrete_function(n, labels, seed)
    return sample


def _fresh_seed():
    """A seed from the operating system's entropy.

    `tf.random` would write the seed that the training script has set into the
    graph, and everyone who loads it would draw the same samples.
    """
    return tf.raw_ops.RandomUniformInt(
        shape=[2], minval=tf.int64.min, maxval=tf.int64.max, seed=0, seed2=0
    )


def _draw_labels(n, label_probabilities, seed):
    logits = tf.math.log(tf.constant([label_probabilities], tf.float32))
    seed = seed + tf.constant([0, 1], tf.int64)
    return tf.random.stateless_categorical(logits, n, seed, dtype=tf.int32)[0]


def _checked_labels(labels, n, num_classes):
    labels = tf.cast(labels, tf.int32)
    rank, count = tf.rank(labels), tf.size(labels)
    fits = tf.equal(rank, 0) | (tf.equal(rank, 1) & tf.equal(count, n))
    message = "`labels` must be one int, or ints of shape (n,)"
    labels = _asserted(fits, tf.reshape(labels, [-1]), message)
    # A broadcast would raise first, with a message of its own.
    labels = tf.gather(labels, tf.range(n) % tf.maximum(count, 1))
    known = tf.reduce_all((labels >= 0) & (labels < num_classes))
    return _asserted(known, labels, f"`labels` must be in [0, {num_classes})")


def _asserted(condition, value, message):
    """`value`, which cannot be had unless the condition holds."""
    check = tf.debugging.Assert(condition, [message])
    with tf.control_dependencies([check]):
        return tf.identity(value)
