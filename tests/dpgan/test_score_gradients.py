"""Networks that a generator cannot learn from are refused by `compile`."""

import helpers
import keras
import pytest

import keras_dpgan as dpgan

LENGTH, TOKENS = 6, 5


def sequential(*layers, shape=helpers.SHAPE):
    return keras.Sequential([keras.Input(shape), *layers])


def of_token_ids():
    return sequential(
        keras.layers.Embedding(TOKENS, 4), keras.layers.Flatten(), keras.layers.Dense(1)
    )


def of_rounded_rows():
    return sequential(keras.layers.Lambda(keras.ops.round), keras.layers.Dense(1))


def of_signs():
    to_signs = keras.layers.Lambda(lambda x: keras.ops.cast(x > 0, "float32"))
    return sequential(to_signs, keras.layers.Dense(1))


@pytest.mark.parametrize("make", [of_token_ids, of_rounded_rows, of_signs])
@pytest.mark.parametrize("private", [True, False])
def test_a_discriminator_without_a_gradient_to_its_rows_is_refused(make, private):
    gan = dpgan.DPGAN(make(), helpers.make_generator(None))
    arguments = helpers.compile_defaults()
    if not private:
        arguments["d_optimizer"] = "sgd"
    with pytest.raises(ValueError, match=r"one-hot vectors, `keras.utils.to_categ"):
        gan.compile(**arguments, private=private)
    assert not gan.compiled


def test_a_generator_that_rounds_is_refused():
    to_ids = keras.layers.Lambda(
        lambda x: keras.ops.cast(keras.ops.argmax(x, axis=-1), "float32")
    )
    generator = sequential(
        keras.layers.Dense(LENGTH * TOKENS),
        keras.layers.Reshape((LENGTH, TOKENS)),
        to_ids,
        shape=(helpers.LATENT_DIM,),
    )
    gan = dpgan.DPGAN(helpers.make_discriminator(None), generator)
    with pytest.raises(ValueError, match="Let it end in a softmax"):
        gan.compile(**helpers.compile_defaults())


def test_the_remedy_trains():
    one_hot = sequential(
        keras.layers.Dense(4, use_bias=False),
        keras.layers.Flatten(),
        keras.layers.Dense(1),
        shape=(LENGTH, TOKENS),
    )
    generator = sequential(
        keras.layers.Dense(LENGTH * TOKENS),
        keras.layers.Reshape((LENGTH, TOKENS)),
        keras.layers.Softmax(),
        shape=(helpers.LATENT_DIM,),
    )
    gan = dpgan.DPGAN(one_hot, generator)
    gan.compile(**helpers.compile_defaults())
    ids = helpers.make_data()[1].reshape(20, LENGTH)
    rows = keras.utils.to_categorical(ids, TOKENS)
    gan.fit(rows, batch_size=5, verbose=0)
    assert gan.num_discriminator_updates == 4
