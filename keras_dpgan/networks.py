"""Reading and checking the two networks that a GAN is made of."""

import tensorflow as tf

from keras_dpgan import _validate
from keras_dpgan import label_path


def latent_dim(generator, given):
    """The latent width: as given, or read off the generator's first input."""
    inputs = _inputs(generator)
    if inputs is None:
        if given is None:
            raise ValueError(
                "`latent_dim` cannot be read off a generator without declared "
                "inputs (a subclassed model). Give `latent_dim`."
            )
        return given
    width = inputs[0].shape[-1]
    if given is not None and given != width:
        raise ValueError(
            f"`latent_dim` must be the width of the generator's first input, {width}. "
            f"Received: latent_dim={given}"
        )
    return width


def num_classes(generator, given):
    """The number of labels: as given, or read off the generator; `None` if none."""
    inputs = _inputs(generator)
    if inputs is None or (len(inputs) == 1 and given is None):
        return given
    if len(inputs) == 1:
        raise ValueError(
            "`num_classes` is given, but the generator takes latents alone. Give it "
            f"a second input for labels. Received: num_classes={given}"
        )
    if len(inputs) > 2:
        raise ValueError(
            "`generator` must take latents, or latents and labels. Received a model "
            f"of {len(inputs)} inputs."
        )
    if given is None:
        return _read_num_classes(generator)
    _validate.check_int("num_classes", given, minimum=1)
    limit = label_path.declared_classes(generator, 1, through_functions=False)
    if limit is not None and given > limit:
        raise ValueError(
            "`num_classes` must be at most the number of labels that the generator's "
            f"label layer was made for, {limit}. Received: num_classes={given}"
        )
    return given


def _read_num_classes(generator):
    found = label_path.declared_classes(generator, 1)
    if found is None:
        raise ValueError(
            "`num_classes` cannot be read off the generator: its labels, the input "
            f"{_inputs(generator)[1].name!r}, lead to no layer that says how many there "
            "are, such as `Embedding`, `CategoryEncoding` or `keras_dpgan.models."
            "OneHotLabels`. Give `num_classes`. Received: num_classes=None"
        )
    return found


def build_and_check(discriminator, generator, latent_width, classes):
    """Runs both networks once on two rows, so that misfits show at once.

    Args:
        discriminator: A `keras.Model`.
        generator: A `keras.Model`.
        latent_width: Int.
        classes: Int or `None`.

    Returns:
        The shape of one generated row, a tuple of ints.

    Raises:
        ValueError: If the discriminator cannot read what the generator makes,
            or does not give one score per row.
    """
    labels = None if classes is None else tf.zeros((2,), tf.int32)
    rows = call(generator, tf.zeros((2, latent_width)), labels, training=False)
    if not tf.is_tensor(rows) or rows.shape[0] != 2:
        raise ValueError(
            "`generator` must return one tensor with a row per latent. Received: "
            f"{rows}"
        )
    expected = _inputs(discriminator)
    if expected is not None:
        shape = tuple(expected[0].shape[1:])
        if not _shapes_fit(shape, rows.shape[1:]):
            raise ValueError(
                "The generator's output does not fit the discriminator: it makes "
                f"rows of shape {tuple(rows.shape[1:])}, and the discriminator takes "
                f"{shape}."
            )
        if len(expected) != (1 if classes is None else 2):
            raise ValueError(
                "`discriminator` and `generator` must both take labels, or neither. "
                f"The discriminator has {len(expected)} inputs, the generator's "
                f"number of classes is {classes}."
            )
    scores = call(discriminator, rows, labels, training=False)
    if scores.shape.num_elements() != 2 or scores.shape[0] != 2:
        raise ValueError(
            "`discriminator` must return one score per row, of shape (n, 1). "
            f"Received: an output of shape {tuple(scores.shape)} for two rows."
        )
    return tuple(rows.shape[1:])


def call(model, rows, labels, training):
    """Calls a network on rows (or latents), with labels where there are any."""
    return model(rows if labels is None else [rows, labels], training=training)


def _inputs(model):
    """The declared inputs of a model, as a list; `None` for a subclassed one."""
    inputs = getattr(model, "inputs", None)
    return list(inputs) if inputs else None


def _shapes_fit(expected, actual):
    return len(expected) == len(actual) and all(
        e in (None, a) for e, a in zip(expected, actual, strict=True)
    )
