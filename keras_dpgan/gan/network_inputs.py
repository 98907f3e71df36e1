"""What the inputs of the two networks of a GAN are, and whether they fit."""

import math

import keras
import numpy as np

from keras_dpgan._utils import keras_internals
from keras_dpgan._utils import validate
from keras_dpgan.sampling.conditions import LabelCondition
from keras_dpgan.sampling.conditions import VectorCondition

_EXPECTED = {
    "generator": "latents, or the list of latents and labels",
    "discriminator": "rows, or the list of rows and labels",
}
# Images have at most this many channels. Maps of noise usually have more.
_MOST_CHANNELS = 4


def declared(model):
    """The declared inputs of a model, as a list; `None` for a subclassed one."""
    inputs = getattr(model, "inputs", None)
    return list(inputs) if inputs else None


def takes_condition(model):
    """Whether a network takes labels or conditions besides rows or latents.

    One without declared inputs does if the GAN is conditional.
    """
    inputs = declared(model)
    return inputs is None or len(inputs) > 1


def check_network(name, network):
    """Raises unless a network is a `keras.Model` with inputs in the expected order.

    Args:
        name: `"generator"` or `"discriminator"`.
        network: What was given.
    """
    if not isinstance(network, keras.Model):
        raise ValueError(
            f"`{name}` must be a `keras.Model` that takes {_EXPECTED[name]}."
            f"{_model_remedy(network)} Received: {name}={network!r:.80}"
        )
    if keras_internals.takes_inputs_by_name(network):
        _refuse_inputs(
            name, network, "by position, not by name", "`keras.Model([a, b], outputs)`"
        )
    inputs = declared(network)
    if inputs is None:
        return
    if len(inputs) > 2:
        _refuse_inputs(
            name,
            network,
            "and no more",
            "one input for all that a row is generated for, a vector",
        )
    if len(inputs) == 2 and _are_labels_first(network):
        _refuse_inputs(
            name, network, "in this order", "`keras.Model([second, first], outputs)`"
        )


def _model_remedy(network):
    if isinstance(network, keras.layers.Layer):
        remedy = "`keras.Sequential([keras.Input(shape), layer])`"
        return f" Make a model of the layer: {remedy}."
    if callable(network):
        return (
            " Make a model of the function: `inputs = keras.Input(shape)` and "
            "`keras.Model(inputs, function(inputs))`; one that makes a model has to be "
            "called."
        )
    return ""


def _are_labels_first(network):
    first, second = declared(network)
    if "int" in second.dtype:
        return "int" in first.dtype and len(first.shape) < len(second.shape)
    if "int" in first.dtype:
        return True
    return (
        _is_one_number(first)
        and not _is_one_number(second)
        and declared_classes(network, 0) is not None
    )


def _refuse_inputs(name, network, how, remedy):
    raise ValueError(
        f"`{name}` must take {_EXPECTED[name]}, {how}. Declare {remedy}. Received: a "
        f"model with the inputs {described(network)}"
    )


def described(network):
    """The declared inputs of a network, in words."""
    return ", ".join(
        f"{tensor.name!r} ({tensor.dtype} of shape {('n', *tensor.shape[1:])})".replace(
            "'n'", "n"
        )
        for tensor in declared(network)
    )


def check_called_with(generator, inputs):
    """Raises a `ValueError` for a call of a GAN on something else than latents."""
    expected, given = declared(generator), keras.tree.flatten(inputs)
    if expected is None or isinstance(inputs, dict):
        return
    shapes = [tuple(t.shape if hasattr(t, "shape") else np.shape(t)) for t in given]
    if len(given) != len(expected) or not all(
        _may_be_of_one_size(tensor.shape[1:], shape[1:])
        for tensor, shape in zip(expected, shapes, strict=True)
    ):
        raise ValueError(
            f"`inputs` must be what the generator takes: {described(generator)}. A GAN "
            "makes rows and takes none: draw some by `gan.sample(number)`; scores of "
            "rows are `gan.discriminator(rows)`. Received: inputs of shapes "
            f"{', '.join(map(str, shapes))}"
        )


def _may_be_of_one_size(first, second):
    # A label may come as a column, which Keras flattens.
    is_open = None in first or None in second
    return is_open or math.prod(first) == math.prod(second)


def latent_shape(generator, given):
    """The shape of one row's latents: as given, or read off the first input.

    Args:
        generator: A `keras.Model`.
        given: Int, tuple of ints, or `None`.

    Returns:
        A tuple of ints.

    Raises:
        ValueError: If the shape cannot be known, or is not the generator's.
    """
    shape = _as_shape("latent_dim", given)
    inputs = declared(generator)
    if inputs is None:
        if shape is None:
            raise ValueError(
                "`latent_dim` cannot be read off a generator without declared "
                "inputs (a subclassed model). Give `latent_dim`. Received: "
                "latent_dim=None"
            )
        return shape
    wanted = tuple(inputs[0].shape[1:])
    if shape is None:
        if None in wanted or not wanted:
            raise ValueError(
                "`latent_dim` cannot be read off the generator, whose first input "
                f"leaves sizes open: {described(generator)}. Give `latent_dim`, an int "
                "or a tuple of ints. Received: latent_dim=None"
            )
        _check_no_image(generator)
        return wanted
    if not shapes_fit(wanted, shape):
        size = wanted[0] if len(wanted) == 1 else wanted
        raise ValueError(
            "`latent_dim` must be the size of the generator's first input without the "
            f"batch, {size}. Received: latent_dim={given}"
        )
    return shape


def _as_shape(name, given):
    if given is None:
        return None
    sizes = given if isinstance(given, list | tuple) else (given,)
    if not sizes:
        raise ValueError(
            f"`{name}` must be a positive int or a tuple of them. Received: "
            f"{name}={given!r}"
        )
    return tuple(validate.check_int(name, size, minimum=1) for size in sizes)


def _check_no_image(generator):
    """Raises where a generator seems to turn images into images."""
    first, *others = declared(generator)
    shape = tuple(first.shape[1:])
    rows = tuple(getattr(generator, "output_shape", ())[1:])
    from_rows = (
        len(shape) == 3 and shape[-1] <= _MOST_CHANNELS and shape[:2] == rows[:2]
    )
    if from_rows or any(len(other.shape) > 3 for other in others):
        raise ValueError(
            "`generator` must take latents, which are drawn at random, and this one "
            f"seems to take images: {described(generator)}. Image-to-image translation "
            "(pix2pix, CycleGAN) is not what `DPGAN` does: there the generator reads "
            "private images, so that its gradients, too, and what it makes of each of "
            "them need a protection of their own. If the input is noise of that shape, "
            f"give `latent_dim={shape}`. Received: latent_dim=None"
        )


def condition(generator, num_classes=None, condition_shape=None):
    """What the generator makes a row for, besides its latents.

    Args:
        generator: A `keras.Model`.
        num_classes: Int, as given by the user, or `None`.
        condition_shape: Tuple of one int, as given by the user, or `None`.

    Returns:
        A `LabelCondition`, a `VectorCondition` without a prior, or `None`.

    Raises:
        ValueError: If it cannot be known, or is not what the user gave.
    """
    shape = _as_shape("condition_shape", condition_shape)
    if shape is not None and (num_classes is not None or len(shape) != 1):
        raise ValueError(
            "`condition_shape` must be the size of a vector, as in (3,), and goes "
            "without `num_classes`. Received: condition_shape="
            f"{condition_shape}, num_classes={num_classes}"
        )
    if num_classes is not None:
        validate.check_int("num_classes", num_classes, minimum=1)
    inputs = declared(generator)
    if inputs is None:
        if num_classes is not None:
            return LabelCondition(num_classes)
        return None if shape is None else VectorCondition(shape, "float32")
    if len(inputs) == 1:
        _check_unconditional(generator, num_classes, shape)
        return None
    if _takes_labels(generator, num_classes, shape):
        return LabelCondition(_num_classes(generator, num_classes))
    return _vector_condition(generator, num_classes, shape)


def _check_unconditional(generator, num_classes, shape):
    given = {"num_classes": num_classes, "condition_shape": shape}
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"`{name}` is given, but the generator takes latents alone: "
                f"{described(generator)}. Give it a second input for labels. Received: "
                f"{name}={value}"
            )


def _takes_labels(generator, num_classes, shape):
    """Whether the second input is one label; if not, it is a vector."""
    second = declared(generator)[1]
    if shape is not None or not _is_one_number(second):
        return False
    if num_classes is not None or "int" in second.dtype:
        return True
    # A Keras input is float by default. An `Embedding` behind it shows labels.
    return declared_classes(generator, 1) is not None


def _is_one_number(tensor):
    return tuple(tensor.shape[1:]) in ((), (1,))


def _num_classes(generator, given):
    if given is None:
        return _read_num_classes(generator)
    limit = declared_classes(generator, 1, through_functions=False)
    if limit is not None and given > limit:
        raise ValueError(
            "`num_classes` must be at most the number of labels that the generator's "
            f"label layer was made for, {limit}. Received: num_classes={given}"
        )
    return given


def _read_num_classes(generator):
    found = declared_classes(generator, 1)
    if found is None:
        labels = declared(generator)[1].name
        raise ValueError(
            f"`num_classes` cannot be read off the generator: its labels, {labels!r}, "
            "lead to no layer that says how many there are, such as `Embedding`, "
            "`CategoryEncoding` or `keras_dpgan.models.OneHotLabels`. Give "
            "`num_classes`. Received: num_classes=None"
        )
    return found


def _vector_condition(generator, num_classes, shape):
    second = declared(generator)[1]
    wanted = tuple(second.shape[1:])
    if num_classes is not None:
        raise ValueError(
            "`num_classes` goes with a second input that takes one int per row, of "
            f"shape (n,). The generator takes vectors: {described(generator)}. Declare "
            "`keras.Input((), dtype='int32')` and begin with `keras_dpgan.models."
            "OneHotLabels(num_classes)`; or leave `num_classes` out and give the "
            "vectors (one-hot labels, too) as conditions: `compile(condition_prior="
            "...)` and `fit(x, y)` with y of the vectors' shape. Received: "
            f"num_classes={num_classes}"
        )
    if shape is None and (None in wanted or len(wanted) != 1):
        raise ValueError(
            "The generator's second input must be one label per row, of shape (n,), or "
            f"a vector of known size, of shape (n, d). Received: {described(generator)}"
        )
    if shape is not None and not shapes_fit(wanted, shape):
        raise ValueError(
            "`condition_shape` must be that of the generator's second input, "
            f"{wanted}. Received: condition_shape={shape}"
        )
    dtype = "int32" if "int" in second.dtype else "float32"
    return VectorCondition(shape or wanted, dtype)


def check_not_swapped(discriminator, generator):
    """Raises if the two networks were given in the wrong order."""
    outputs = getattr(generator, "outputs", None) or []
    scores = [tuple(tensor.shape[1:]) for tensor in outputs]
    of_discriminator = getattr(discriminator, "outputs", None) or []
    first = declared(generator)
    if scores[:1] != [(1,)] or not of_discriminator or first is None:
        return
    made = tuple(of_discriminator[0].shape[1:])
    if made != (1,) and shapes_fit(tuple(first[0].shape[1:]), made):
        raise ValueError(
            "`discriminator` and `generator` seem to be swapped: the generator's input "
            f"has the shape of the discriminator's output, {made}. Write "
            "`DPGAN(discriminator=..., generator=...)`. Received: discriminator="
            f"{discriminator.name!r}, generator={generator.name!r}"
        )


def check_discriminator(discriminator, row_shape, condition):
    """Raises unless the discriminator's inputs fit the generator's rows.

    Args:
        discriminator: A `keras.Model`.
        row_shape: The shape of one generated row.
        condition: That of the generator, or `None`.
    """
    inputs = declared(discriminator)
    if inputs is None:
        return
    wanted = tuple(inputs[0].shape[1:])
    if not shapes_fit(wanted, row_shape):
        raise ValueError(
            "The generator's output does not fit the discriminator: it makes "
            f"rows of shape {tuple(row_shape)}, and the discriminator takes {wanted}."
        )
    if len(inputs) == 1:
        return
    if condition is None:
        raise ValueError(
            "`discriminator` and `generator` must both take labels, or neither. The "
            "generator takes latents alone, and the discriminator has the inputs "
            f"{described(discriminator)}."
        )
    shape = tuple(inputs[1].shape[1:])
    fits = shapes_fit(shape, condition.shape)
    if not fits and not (condition.name == "labels" and shape == (1,)):
        raise ValueError(
            "`discriminator` must take what the generator takes besides latents, "
            f"{condition.name} of shape {('n', *condition.shape)}. Received: a model "
            f"with the inputs {described(discriminator)}"
        )


def check_takes_condition(discriminator, condition):
    """Raises unless the discriminator sees what a row was generated for."""
    if not takes_condition(discriminator):
        raise ValueError(
            "`discriminator` and `generator` must both take labels, or neither; or the "
            "discriminator has a second output of class logits. The generator takes "
            f"{condition.name}, and the discriminator has one input and one output: "
            f"{described(discriminator)}."
        )


def shapes_fit(expected, actual):
    """Whether a shape is as expected, where `None` stands for any size."""
    return len(expected) == len(actual) and all(
        e in (None, a) for e, a in zip(expected, actual, strict=True)
    )


# Operations that pass each label on, in another shape or dtype.
_HANDING_ON_LAYERS = (
    keras.layers.Dropout,
    keras.layers.Flatten,
    keras.layers.Identity,
    keras.layers.Permute,
    keras.layers.RepeatVector,
    keras.layers.Reshape,
)
_HANDING_ON_OPERATIONS = {
    "BroadcastTo",
    "Cast",
    "Copy",
    "ExpandDims",
    "GetItem",
    "Identity",
    "Ravel",
    "Repeat",
    "Reshape",
    "Squeeze",
    "StopGradient",
    "Swapaxes",
    "Tile",
    "Transpose",
}


def declared_classes(model, position, through_functions=True):
    """Follows an input of labels to the layers that turn them into vectors.

    Args:
        model: A functional or sequential `keras.Model`.
        position: Int, which of its inputs takes the labels.
        through_functions: Whether the path may lead through a `Lambda`, which may
            also change the labels: what stands behind it is a guess. Defaults to
            `True`.

    Returns:
        The smallest number of labels that a layer was made for which they reach, an
        int; `None` where no such layer is found.
    """
    found, _ = _follow(model, {position}, through_functions)
    return min(found, default=None)


def _follow(model, positions, through_functions):
    """Follows the labels of some inputs of a model.

    Returns:
        `(found, outputs)`: the list of the numbers of labels, and the positions of the
        outputs that still are labels.
    """
    nodes = keras_internals.nodes_in_order(model)
    if nodes is None:
        return [], set()
    labels = {id(model.inputs[i]) for i in positions}
    found = []
    for operation, inputs, outputs in nodes:
        reached = {i for i, tensor in enumerate(inputs) if id(tensor) in labels}
        if reached:
            more, still_labels = _step(operation, reached, through_functions)
            found += more
            labels |= {id(outputs[i]) for i in still_labels}
    outputs = {i for i, tensor in enumerate(model.outputs) if id(tensor) in labels}
    return found, outputs


def _step(operation, positions, through_functions):
    """What an operation does with labels among its inputs; as `_follow`."""
    if isinstance(operation, keras.layers.TimeDistributed):
        return _step(operation.layer, positions, through_functions)
    if isinstance(operation, keras.Model):
        return _follow(operation, positions, through_functions)
    count = _number_of_labels(operation)
    if count is not None:
        return [count], set()
    if _hands_on(operation, through_functions):
        return [], {0}
    return [], set()


def _number_of_labels(operation):
    if isinstance(operation, keras.layers.Embedding):
        return operation.input_dim
    if isinstance(operation, keras.layers.CategoryEncoding):
        return operation.num_tokens
    # `keras.ops.one_hot` and the layers of `models`.
    count = getattr(operation, "num_classes", None)
    return count if isinstance(count, int) else None


def _hands_on(operation, through_functions):
    if isinstance(operation, keras.layers.Lambda):
        return through_functions
    if isinstance(operation, keras.layers.Layer):
        return isinstance(operation, _HANDING_ON_LAYERS)
    return type(operation).__name__ in _HANDING_ON_OPERATIONS
