"""`compile`, `fit` and `evaluate` take what they take in Keras, or say why not."""

import inspect

import helpers
import keras
import numpy as np
import pytest

import keras_dpgan as dpgan
from keras_dpgan import optimizers


def parameters(method):
    return list(inspect.signature(method).parameters.values())


@pytest.mark.parametrize("method", ["fit", "evaluate", "export"])
def test_the_signature_begins_with_that_of_keras(method):
    ours = parameters(getattr(dpgan.DPGAN, method))
    theirs = parameters(getattr(keras.Model, method))
    positional = [p for p in theirs if p.kind is p.POSITIONAL_OR_KEYWORD]
    same = ours[: len(positional)]
    assert [p.name for p in same] == [p.name for p in positional]
    assert [p.default for p in same] == [p.default for p in positional]
    rest = ours[len(positional) :]
    assert all(p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in rest)


def test_fit_takes_all_of_keras_in_its_order():
    x, y = helpers.make_data()
    gan = helpers.make_gan()
    # fmt: off
    history = gan.fit(
        x, y, 12, 3, 0, None, 0.0, (x, y), True, None, None, 1, 5, 2, 40, 2
    ).history
    # fmt: on
    assert gan.num_discriminator_updates == 10
    assert len(history["g_loss"]) == 2
    assert len(history["val_g_loss"]) == 1


def test_evaluate_takes_all_of_keras_in_its_order():
    x, y = helpers.make_data()
    gan = helpers.make_gan()
    logs = gan.evaluate(x, y, 30, 0, np.ones(len(x)), 2, None, True)
    assert set(logs) == {"g_loss", "d_loss_fake"}
    assert len(gan.evaluate(verbose=0)) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"validation_split": 0.2},
        {"shuffle": False},
        {"shuffle": "batch"},
        {"class_weight": {0: 1.0, 1: 2.0, 2: 1.0}},
        {"sample_weight": np.ones(120)},
        {"validation_batch_size": 0},
        {"batch_size": 0},
        {"batch_size": -4},
        {"batch_size": "12"},
        {"steps_per_epoch": 0},
    ],
)
def test_what_fit_cannot_do_is_refused_before_any_update(arguments):
    (name,) = arguments
    gan = helpers.make_gan()
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received"):
        gan.fit(*helpers.make_data(), verbose=0, **arguments)
    assert gan.num_discriminator_updates == 0
    assert gan.privacy_history.total_updates == 0


@pytest.mark.parametrize("name", ["batch_size", "steps"])
def test_a_size_of_evaluate_that_is_none_is_named(name):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer of at least 1"):
        helpers.make_gan().evaluate(**{name: 0})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "adam"}, "two optimizers: give `d_optimizer`"),
        ({"metrics": ["mae"]}, "without noise.*Received: metrics="),
        ({"metrics": []}, "`metrics` must be left out"),
        ({"weighted_metrics": ["mae"]}, "`weighted_metrics` must be left out"),
        ({"loss_weights": [1.0, 2.0]}, "`learning_rate`s instead"),
        ({"jit_compile": "yes"}, '`jit_compile` must be True, False or "auto"'),
        ({"jit_compile": None}, '`jit_compile` must be True, False or "auto"'),
        ({"d_optimizer": "adam"}, r"DPKerasAdamOptimizer\(l2_norm_clip=1.0"),
        ({"d_optimizer": "SGD"}, r"DPKerasSGDOptimizer\(l2_norm_clip=1.0"),
        ({"d_optimizer": "lion"}, r"DPOptimizer\(keras.optimizers.get\('lion'\), l2"),
        ({"d_optimizer": keras.optimizers.Adam}, "not its class: write `Adam"),
        ({"d_optimizer": optimizers.DPOptimizer}, "not its class: write `DPOpt"),
        ({"d_optimizer": None}, "`d_optimizer` must be a Keras optimizer"),
        ({"g_optimizer": keras.optimizers.Adam}, "not its class: write `Adam"),
        ({"g_optimizer": "adamm"}, "Keras knows. Received: g_optimizer='adamm'"),
        ({"g_optimizer": {"name": "adam"}}, "Keras knows. Received: g_optimizer="),
        ({"g_optimizer": 0.1}, "`g_optimizer` must be a Keras optimizer"),
    ],
)
def test_what_compile_cannot_follow_is_refused_with_the_reason(arguments, message):
    with pytest.raises(ValueError, match=message):
        helpers.make_gan(**arguments)


def test_an_argument_that_nobody_knows_is_named():
    with pytest.raises(TypeError, match="no argument `learning_rate`"):
        helpers.make_gan(learning_rate=0.1)


@pytest.mark.parametrize(
    "g_optimizer",
    ["adam", keras.optimizers.serialize(keras.optimizers.Adam(0.5))],
    ids=["name", "configuration"],
)
def test_names_and_configurations_resolve_as_in_keras(g_optimizer):
    d_optimizer = keras.saving.serialize_keras_object(helpers.make_d_optimizer())
    gan = helpers.make_gan(d_optimizer=d_optimizer, g_optimizer=g_optimizer)
    assert isinstance(gan.g_optimizer, keras.optimizers.Adam)
    assert isinstance(gan.d_optimizer, optimizers.DPKerasSGDOptimizer)
    plain = helpers.make_gan(d_optimizer="rmsprop", private=False)
    assert isinstance(plain.d_optimizer, keras.optimizers.RMSprop)


def test_what_asks_for_nothing_is_taken_as_in_keras():
    gan = helpers.make_gan(metrics=None, loss_weights=None, optimizer=None)
    assert "metrics" not in gan.get_compile_config()


def test_jit_compile_auto_keeps_the_fast_engine():
    gan = helpers.make_gan(jit_compile="auto", engine="ghost")
    assert gan.jit_compile is False
    again = helpers.make_gan(jit_compile="auto")
    assert again.get_compile_config()["jit_compile"] is False


def test_one_optimizer_for_both_networks_is_named():
    adam = keras.optimizers.Adam()
    private = optimizers.DPOptimizer(adam, 1.0, 1.0)
    for arguments in (
        {"d_optimizer": adam, "g_optimizer": adam, "private": False},
        {"d_optimizer": private, "g_optimizer": adam},
    ):
        with pytest.raises(ValueError, match="one Adam object as both"):
            helpers.make_gan(**arguments)


def test_an_optimizer_of_another_model_is_named():
    first = helpers.make_gan()
    for name in ("d_optimizer", "g_optimizer"):
        with pytest.raises(ValueError, match=f"`{name}` was built for.*Make a new"):
            helpers.make_gan(**{name: getattr(first, name)})
    # The same model may be compiled again with what it has.
    arguments = {**helpers.compile_defaults(), "loss": "hinge"}
    arguments |= {"d_optimizer": first.d_optimizer, "g_optimizer": first.g_optimizer}
    first.compile(**arguments)
    first.fit(*helpers.make_data(), batch_size=12, verbose=0)


def test_a_call_on_rows_says_how_rows_are_drawn():
    x, y = helpers.make_data(6)
    gan = helpers.make_gan()
    for rows in (x, [x, y]):
        with pytest.raises(ValueError, match=r"draw some by `gan.sample\(number\)`"):
            gan(rows)
    latents = np.zeros((2, *gan.generation.latent_shape), np.float32)
    assert gan([latents, np.array([0, 1])]).shape == (2, *x.shape[1:])
    rows = gan.predict([latents, np.array([[0], [1]])], verbose=0)
    assert rows.shape == (2, *x.shape[1:])


def test_errors_name_the_argument_that_was_given():
    with pytest.raises(ValueError, match="`batch_size` must be at most"):
        helpers.make_gan().fit(*helpers.make_data(), batch_size=1000)
    for weight in (-1.0, "strong", True):
        with pytest.raises(ValueError, match="`gradient_penalty` must be a weight"):
            helpers.make_gan(gradient_penalty=weight)
    with pytest.raises(ValueError, match="cross-entropy on scores is 'non_saturating'"):
        helpers.make_gan(loss="binary_crossentropy")
