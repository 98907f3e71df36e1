"""The number of labels is read off the layer that the labels reach."""

import helpers
import keras
import pytest

from keras_dpgan import DPGAN
from keras_dpgan import models

layers, ops = keras.layers, keras.ops


def make_generator(encode, labels_shape=(), **labels_arguments):
    """A generator of which `encode` makes vectors from labels."""
    latents = keras.Input((helpers.LATENT_DIM,), name="latents")
    arguments = {"dtype": "int32", **labels_arguments}
    labels = keras.Input(labels_shape, name="labels", **arguments)
    encoded = layers.Flatten()(encode(labels))
    features = layers.Concatenate()([latents, encoded])
    return keras.Model([latents, labels], layers.Dense(helpers.SHAPE[0])(features))


def make_gan(encode, num_classes=None, **arguments):
    return DPGAN(
        helpers.make_discriminator(),
        make_generator(encode, **arguments),
        num_classes=num_classes,
    )


def with_positions_first(labels):
    """As a sequence model has it: an embedding of 12 positions before the labels'."""
    positions = layers.Embedding(12, 8)(ops.zeros_like(labels))
    return layers.Add()([positions, layers.Embedding(3, 8)(labels)])


def in_a_nested_model(labels):
    inputs = keras.Input(labels.shape[1:], dtype="int32")
    inner = keras.Sequential([keras.Input(()), layers.Embedding(3, 8)])
    return keras.Model(inputs, inner(layers.Identity()(inputs)))(labels)


def behind_a_nested_model(labels):
    inputs = keras.Input(labels.shape[1:], dtype="int32")
    reshaped = keras.Model(inputs, layers.Reshape((1,))(inputs))(labels)
    return layers.Embedding(3, 8)(reshaped)


ENCODINGS = {
    "positions_first": with_positions_first,
    "nested": in_a_nested_model,
    "behind_nested": behind_a_nested_model,
    "one_hot": lambda y: ops.one_hot(y, 3),
    "one_hot_of_reshaped": lambda y: ops.one_hot(
        ops.cast(ops.squeeze(layers.Reshape((1,))(y), -1), "int64"), 3
    ),
    "category_encoding": lambda y: layers.CategoryEncoding(3, output_mode="one_hot")(
        layers.Reshape((1,))(y)
    ),
    "ours": lambda y: models.OneHotLabels(3)(y),
    "lambda": lambda y: layers.Embedding(3, 8)(layers.Lambda(lambda t: t)(y)),
    "repeated": lambda y: layers.Embedding(3, 2)(
        layers.RepeatVector(2)(layers.Reshape((1,))(y))
    ),
}


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS)
def test_num_classes_is_that_of_the_layer_that_the_labels_reach(encode):
    assert make_gan(encode).num_classes == 3


def test_labels_with_an_axis_or_as_floats_are_followed_too():
    def embed(labels):
        return layers.Embedding(3, 8)(labels)

    assert make_gan(embed, labels_shape=(1,)).num_classes == 3
    assert make_gan(embed, labels_shape=(1,), dtype="float32").num_classes == 3


def test_of_two_layers_the_smaller_one_counts():
    def encode(labels):
        parts = [layers.Embedding(n, 8)(labels) for n in (7, 3)]
        return layers.Concatenate()(parts)

    assert make_gan(encode).num_classes == 3


def test_what_the_user_gives_wins():
    spare = make_gan(lambda y: layers.Embedding(12, 8)(y), num_classes=3)
    assert spare.num_classes == 3
    # Behind a function of the user's labels may be other ones.
    moved = make_gan(
        lambda y: layers.Embedding(2, 8)(layers.Lambda(lambda t: t // 2)(y)), 3
    )
    assert moved.num_classes == 3


def test_more_labels_than_the_layer_knows_are_refused():
    with pytest.raises(ValueError, match=r"`num_classes` must be at most .*, 3\. Rec"):
        make_gan(lambda y: ops.one_hot(y, 3), num_classes=4)


def test_where_it_cannot_be_known_the_error_asks():
    def encode(labels):
        return layers.Dense(8)(layers.Reshape((1,))(labels))

    with pytest.raises(ValueError, match="'labels', lead to no layer.*Give `num_class"):
        make_gan(encode)
    assert make_gan(encode, num_classes=3).num_classes == 3
