import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_dpgan import models
from keras_dpgan.mixture import ClassMixture
from keras_dpgan.privacy import validation

IMAGE_SHAPES = [(8, 8, 1), (28, 28, 1), (32, 32, 3), (12, 20, 2)]
LATENT_DIM = 5


def random_rows(shape, n=3):
    return np.random.default_rng(0).uniform(-1, 1, (n, *shape)).astype("float32")


def arguments(rows, num_classes):
    labels = np.arange(len(rows), dtype="int32") % (num_classes or 1)
    return np.asarray(rows) if num_classes is None else [np.asarray(rows), labels]


DISCRIMINATORS = {
    "image": lambda: models.image_discriminator((8, 8, 1), None, 4),
    "conditional": lambda: models.image_discriminator((8, 8, 1), 3, 4),
    "residual": lambda: models.image_discriminator((8, 8, 1), None, 4, residual=True),
    "conditional_residual": lambda: models.image_discriminator((8, 8, 1), 3, 4, True),
    "vector": lambda: models.vector_discriminator(6, None, (8,)),
    "conditional_vector": lambda: models.vector_discriminator(6, 3, (8,)),
}


@pytest.fixture(params=DISCRIMINATORS)
def discriminator(request):
    return DISCRIMINATORS[request.param]()


def inputs_of(discriminator, n=3):
    """A discriminator's arguments, random, as a list of tensors."""
    rows = tf.constant(random_rows(discriminator.inputs[0].shape[1:], n))
    labels = tf.range(n) % 3
    return [rows, labels][: len(discriminator.inputs)]


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("num_classes", [None, 10])
@pytest.mark.parametrize("shape", IMAGE_SHAPES)
def test_image_networks_fit_each_other(shape, num_classes, residual):
    generator = models.image_generator(
        shape, LATENT_DIM, num_classes, width=4, residual=residual
    )
    discriminator = models.image_discriminator(
        shape, num_classes, width=4, residual=residual
    )
    images = generator(arguments(random_rows((LATENT_DIM,)), num_classes))
    assert images.shape == (3, *shape)
    assert discriminator(arguments(images, num_classes)).shape == (3, 1)


@pytest.mark.parametrize("num_classes", [None, 10])
def test_vector_networks_fit_each_other(num_classes):
    generator = models.vector_generator(7, LATENT_DIM, num_classes)
    discriminator = models.vector_discriminator(7, num_classes)
    rows = generator(arguments(random_rows((LATENT_DIM,)), num_classes))
    assert rows.shape == (3, 7)
    assert discriminator(arguments(rows, num_classes)).shape == (3, 1)


def test_the_default_discriminator_for_28x28_is_the_measured_one():
    model = models.image_discriminator((28, 28, 1))
    assert model.count_params() == 212_865


def test_discriminators_can_be_trained_privately(discriminator):
    assert validation.validate(discriminator) == []


def test_a_score_depends_on_its_own_row_alone(discriminator):
    rows, *labels = inputs_of(discriminator, 4)
    others = tf.concat([rows[:1], 5 * rows[1:]], 0)
    other_labels = [tf.concat([t[:1], t[1:] * 0], 0) for t in labels]
    before = discriminator([rows, *labels] if labels else rows, training=True)
    after = discriminator([others, *other_labels] if labels else others, training=True)
    np.testing.assert_allclose(before[0], after[0], rtol=1e-6)
    assert np.abs(before[1:] - after[1:]).min() > 0


def test_vectorized_gradients_with_penalty_equal_a_loop(discriminator):
    variables = [v.value for v in discriminator.trainable_variables]

    def gradients_of_one(tensors):
        rows, *labels = [t[tf.newaxis] for t in tensors]
        with tf.GradientTape(watch_accessed_variables=False) as outer:
            outer.watch(variables)
            with tf.GradientTape() as inner:
                inner.watch(rows)
                score = discriminator([rows, *labels] if labels else rows)
            slope = tf.norm(inner.gradient(score, rows))
            loss = tf.reduce_sum(score) + (slope - 1) ** 2
        return outer.gradient(loss, variables, unconnected_gradients="zero")

    tensors = inputs_of(discriminator)
    vectorized = tf.vectorized_map(
        gradients_of_one, tensors, fallback_to_while_loop=False
    )
    for i in range(3):
        one = gradients_of_one([t[i] for t in tensors])
        for expected, actual in zip(one, vectorized, strict=True):
            np.testing.assert_allclose(actual[i], expected, rtol=1e-3, atol=1e-5)


def test_labels_change_scores_and_images():
    rows, latents = random_rows((8, 8, 1), 1), random_rows((LATENT_DIM,), 1)
    discriminator = models.image_discriminator((8, 8, 1), 2, width=4)
    generator = models.image_generator((8, 8, 1), LATENT_DIM, 2, width=4)
    for model, first in ((discriminator, rows), (generator, latents)):
        zero, one = (model([first, np.array([label])]) for label in (0, 1))
        assert np.abs(zero - one).max() > 1e-6


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("tanh", (-1.0, 1.0)), ("sigmoid", (0.0, 1.0)), ("linear", None)],
)
def test_output_range_is_that_of_the_last_activation(activation, expected):
    image = models.image_generator(
        (8, 8, 1), LATENT_DIM, width=4, output_activation=activation
    )
    residual = models.image_generator(
        (8, 8, 1), LATENT_DIM, width=4, output_activation=activation, residual=True
    )
    vector = models.vector_generator(3, LATENT_DIM, output_activation=activation)
    reshaped = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(4),
            keras.layers.Activation(activation),
            keras.layers.Reshape((2, 2)),
        ]
    )
    for model in (image, residual, vector, reshaped):
        assert models.output_range(model) == expected
    images = 20 * image(100 * random_rows((LATENT_DIM,)), training=True)
    if expected is not None:
        assert images.numpy().min() >= 20 * expected[0]
        assert images.numpy().max() <= 20 * expected[1]


def test_output_range_of_a_subclassed_model_is_unknown():
    class Subclassed(keras.Model):
        def call(self, x):
            return keras.ops.tanh(x)

    assert models.output_range(Subclassed()) is None


def test_batch_statistics_of_the_generator_follow_quickly():
    generator = models.image_generator((8, 8, 1), LATENT_DIM, width=4)
    layers = [
        layer
        for layer in generator.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    assert layers
    assert {layer.momentum for layer in layers} == {0.9}


@pytest.mark.parametrize("residual", [False, True])
def test_networks_are_saved_and_loaded_without_custom_objects(tmp_path, residual):
    discriminator = models.image_discriminator((8, 8, 1), 3, 4, residual)
    generator = models.image_generator((8, 8, 1), LATENT_DIM, 3, 4, residual=residual)
    firsts = (random_rows((8, 8, 1)), random_rows((LATENT_DIM,)))
    for model, first in zip((discriminator, generator), firsts, strict=True):
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        inputs = arguments(first, 3)
        np.testing.assert_array_equal(loaded(inputs), model(inputs))


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_one_hot_labels_takes_any_int_dtype(dtype):
    layer = models.OneHotLabels(4)
    labels = np.array([0, 3, 1], dtype)
    np.testing.assert_array_equal(layer(labels), np.eye(4, dtype="float32")[[0, 3, 1]])
    mapped = tf.vectorized_map(
        lambda label: layer(label[tf.newaxis])[0], tf.constant(labels)
    )
    np.testing.assert_array_equal(mapped, layer(labels))
    assert layer.num_classes == 4


def test_mixed_precision_keeps_scores_and_images_in_float32():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        discriminator = models.image_discriminator((8, 8, 1), 3, width=4)
        generator = models.image_generator((8, 8, 1), LATENT_DIM, 3, width=4)
    finally:
        keras.config.set_dtype_policy(policy)
    images = generator(arguments(random_rows((LATENT_DIM,)), 3))
    assert images.dtype == tf.float32
    assert discriminator(arguments(images, 3)).dtype == tf.float32


@pytest.mark.parametrize("shape", [(7, 7, 1), (218, 178, 3), (2, 2, 1)])
def test_shapes_that_doublings_do_not_reach_are_refused_by_name(shape):
    with pytest.raises(ValueError, match=r"`shape`.*Received: shape=\(\d+, \d+, \d\)"):
        models.image_generator(shape, LATENT_DIM)


@pytest.mark.parametrize("shape", [(28, 28), 28, (8, 8, 0), (8.0, 8, 1), (None, 8, 1)])
def test_what_is_no_image_shape_is_refused_by_name(shape):
    with pytest.raises(ValueError, match="`shape` must be"):
        models.image_generator(shape, LATENT_DIM)
    with pytest.raises(ValueError, match="`shape` must be"):
        models.image_discriminator(shape)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: models.image_discriminator((8, 8, 1), num_classes=0), "num_classes"),
        (lambda: models.image_discriminator((8, 8, 1), width=0), "width"),
        (lambda: models.image_generator((8, 8, 1), 0), "latent_dim"),
        (
            lambda: models.image_generator((8, 8, 1), 4, output_activation="relu"),
            "output_activation",
        ),
        (lambda: models.vector_discriminator(0), "dim"),
        (lambda: models.vector_generator(3, 4, hidden=(0,)), "hidden"),
        (lambda: models.vector_generator(3, 1.5), "latent_dim"),
    ],
)
def test_other_bad_arguments_are_named(make, name):
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}="):
        make()


def test_networks_do_not_depend_on_keras_image_data_format():
    def outputs():
        keras.utils.set_random_seed(0)
        shape = (8, 8, 2)
        rows = tf.constant(random_rows(shape))
        latents = tf.constant(random_rows((LATENT_DIM,)))
        labels = tf.range(3)
        for residual in (False, True):
            generator = models.image_generator(
                shape, LATENT_DIM, 3, width=4, residual=residual
            )
            discriminator = models.image_discriminator(shape, 3, 4, residual)
            yield generator([latents, labels]).numpy()
            yield discriminator([rows, labels]).numpy()
        rank = LATENT_DIM - 1
        mixture = ClassMixture(
            weights=np.ones((3, 1)),
            means=np.zeros((3, 1, 128)),
            factors=np.ones((3, 1, rank, 128)),
        )
        refined = models.mixture_generator(shape, mixture, width=4)
        yield refined([latents, labels]).numpy()

    expected = list(outputs())
    keras.config.set_image_data_format("channels_first")
    try:
        found = list(outputs())
    finally:
        keras.config.set_image_data_format("channels_last")
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_array_equal(a, b)
