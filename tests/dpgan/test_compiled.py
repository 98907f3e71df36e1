"""What trains is what `compile` has validated, and what is counted."""

import helpers
import keras
import numpy as np
import pytest

from keras_dpgan import DPGAN
from keras_dpgan import optimizers


@pytest.fixture(scope="module", name="gan")
def shared_gan():
    """One for all that is refused: none of it may change anything."""
    return fit(helpers.make_gan(d_optimizer=helpers.make_d_optimizer(0.5)))


def fit(gan, **arguments):
    gan.fit(*helpers.make_data(), batch_size=12, verbose=0, **arguments)
    return gan


def spent(gan):
    return [(e.noise_multiplier, e.count) for e in gan.privacy_history.entries]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("d_optimizer", "`compile` again"),
        ("g_optimizer", "`compile` again"),
        ("optimizer", "`compile` again"),
        ("private", "`compile` again"),
        ("discriminator_steps", "`compile` again"),
        ("generation", "`compile` again"),
        ("jit_compile", "`compile` again"),
        ("discriminator", "new `DPGAN`"),
        ("generator", "new `DPGAN`"),
        ("num_classes", "new `DPGAN`"),
        ("privacy_record", "new `DPGAN`"),
    ],
)
def test_what_was_compiled_cannot_be_set(gan, name, remedy):
    before = getattr(gan, name)
    with pytest.raises(AttributeError, match=f"`{name}` of a `DPGAN`.*{remedy}"):
        setattr(gan, name, "another")
    assert getattr(gan, name) is before


@pytest.mark.parametrize(
    "name", ["mechanism", "inner_optimizer", "noise_multiplier", "l2_norm_clip"]
)
def test_a_dp_optimizer_keeps_its_mechanism(gan, name):
    with pytest.raises(AttributeError, match=f"`{name}` of a `DPKeras.*new optimizer"):
        setattr(gan.d_optimizer, name, 10.0)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize(
    "name",
    [
        "noise_multiplier",
        "initial_l2_norm_clip",
        "clipped_count_stddev",
        "noise_stddev",
    ],
)
def test_a_mechanism_keeps_its_numbers(name, adaptive):
    optimizer = adaptive_optimizer() if adaptive else helpers.make_d_optimizer()
    with pytest.raises(AttributeError, match=f"`{name}` of a .*new optimizer"):
        setattr(optimizer.mechanism, name, 10.0)


def adaptive_optimizer():
    queries = pytest.importorskip("keras_dpgan.mechanisms.tf_privacy")
    if not queries.is_available():
        pytest.skip("TensorFlow Privacy is not installed.")
    query = queries.import_queries()["adaptive"].QuantileAdaptiveClipSumQuery(
        1.0, 1.0, 0.5, 0.1, 2.0, 12.0
    )
    return optimizers.DPOptimizer(keras.optimizers.SGD(0.01), dp_sum_query=query)


def test_learning_rates_stay_free(gan):
    gan.d_optimizer.learning_rate = 0.02
    gan.d_optimizer.inner_optimizer.learning_rate = 0.03
    gan.optimizer.learning_rate = 0.01
    assert float(gan.d_optimizer.learning_rate) == pytest.approx(0.01)


def fewer_layers(gan):
    gan.discriminator.layers[-1].trainable = False


def other_activation(gan):
    gan.discriminator.layers[-1].activation = np.tanh


def other_call(gan):
    layer = gan.discriminator.layers[-1]
    layer.call = lambda x: x - keras.ops.mean(x)


def frozen_discriminator(gan):
    gan.discriminator.trainable = False


def frozen_generator(gan):
    gan.generator.trainable = False


def other_engine(gan):
    gan.training_step.engine = None


def other_optimizer_of_the_step(gan):
    gan.training_step.d_optimizer = helpers.make_d_optimizer(0.01)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (fewer_layers, "the trainable weights of `discriminator`"),
        (other_activation, "`activation` of the layer"),
        (other_call, "`call` of the layer"),
        (frozen_discriminator, "the trainable weights of `discriminator`"),
        (frozen_generator, "the trainable weights of `generator`"),
        (other_engine, "`training_step.engine`"),
        (other_optimizer_of_the_step, "`training_step.d_optimizer`"),
    ],
)
def test_a_model_changed_since_compile_is_not_trained(change, named):
    gan = helpers.make_gan()
    before = gan.get_weights()
    change(gan)
    with pytest.raises(ValueError, match="`compile` again") as error:
        fit(gan)
    assert named in str(error.value)
    assert spent(gan) == []
    assert len(gan.get_weights()) == len(before)


def test_a_model_changed_between_two_fits_is_not_trained():
    gan = fit(helpers.make_gan())
    fewer_layers(gan)
    with pytest.raises(ValueError, match="the trainable weights of `discriminator`"):
        fit(gan)
    gan.compile(**helpers.compile_defaults())
    assert spent(fit(gan)) == [(1.0, 20)]


def test_layers_put_in_or_taken_out_are_noticed():
    dense = keras.layers.Dense
    discriminator = keras.Sequential(
        [keras.Input(helpers.SHAPE), dense(4, activation="tanh"), dense(1)]
    )
    gan = DPGAN(discriminator, helpers.make_generator(None))
    gan.compile(**helpers.compile_defaults())
    discriminator.pop()
    discriminator.add(keras.layers.BatchNormalization())
    discriminator.add(dense(1))
    discriminator.build((None, *helpers.SHAPE))
    with pytest.raises(ValueError, match="the layers of `discriminator`"):
        gan.fit(helpers.make_data()[0], batch_size=12, verbose=0)
    with pytest.raises(ValueError, match="statistics over the batch"):
        gan.compile(**helpers.compile_defaults())
    # That one failed, so there is nothing that could be trained.
    with pytest.raises(ValueError, match="compile"):
        gan.fit(helpers.make_data()[0], batch_size=12, verbose=0)
    assert gan.privacy_history.total_updates == 0


def test_a_compile_that_fails_leaves_nothing_half_compiled():
    gan = helpers.make_gan(d_optimizer=helpers.make_d_optimizer(0.01))
    with pytest.raises(ValueError, match="engine"):
        gan.compile(
            **{
                **helpers.compile_defaults(),
                "d_optimizer": helpers.make_d_optimizer(10.0),
                "engine": "unknown",
            }
        )
    with pytest.raises(ValueError, match="compile"):
        fit(gan)
    assert spent(gan) == []


def test_a_change_in_a_callback_of_an_eager_fit_is_noticed():
    gan = helpers.make_gan(run_eagerly=True)
    freezing = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: fewer_layers(gan)
    )
    with pytest.raises(ValueError, match="the trainable weights of `discriminator`"):
        fit(gan, callbacks=[freezing])
    assert gan.num_discriminator_updates == 1


@pytest.mark.parametrize("name", ["discriminator", "generator"])
@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_network_that_cannot_learn_is_refused_before_anything_is_spent(
    name, one_by_one
):
    gan = DPGAN(helpers.make_discriminator(), helpers.make_generator())
    network = getattr(gan, name)
    for part in network.layers if one_by_one else [network]:
        part.trainable = False
    with pytest.raises(ValueError, match=f"`{name}` must have trainable weights"):
        gan.compile(**helpers.compile_defaults())
    for part in [network, *network.layers]:
        part.trainable = True
    gan.compile(**helpers.compile_defaults())


def test_a_network_of_which_a_part_was_frozen_before_compile_learns_with_the_rest():
    gan = DPGAN(helpers.make_discriminator(), helpers.make_generator())
    first = next(
        layer for layer in gan.discriminator.layers if layer.name.startswith("dense")
    )
    first.trainable = False
    gan.compile(**helpers.compile_defaults())
    frozen, before = first.get_weights(), gan.discriminator.get_weights()
    fit(gan)
    assert helpers.same(frozen, first.get_weights())
    assert not helpers.same(before, gan.discriminator.get_weights())
    assert gan.num_discriminator_updates == 10
