"""Every public method and property of `keras.Model` works, or says why not."""

import copy
import inspect
import pickle

import helpers
import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_dpgan as dpgan
from keras_dpgan import privacy

LATENTS = np.zeros((5, helpers.LATENT_DIM), np.float32)
LABELS = np.zeros(5, np.int32)
INPUTS = [LATENTS, LABELS]
SHAPES = [LATENTS.shape, LABELS.shape]

REFUSED = {
    "add_loss": lambda gan: gan.add_loss(0.0),
    "compiled_loss": lambda gan: gan.compiled_loss(LABELS, LABELS),
    "compiled_metrics": lambda gan: gan.compiled_metrics,
    "compute_loss": lambda gan: gan.compute_loss(*helpers.make_data()),
    "compute_metrics": lambda gan: gan.compute_metrics(LATENTS, LABELS, LABELS),
    "quantize": lambda gan: gan.quantize("int8"),
    "quantized_build": lambda gan: gan.quantized_build(SHAPES, "int8"),
    "quantized_call": lambda gan: gan.quantized_call(INPUTS),
    "stateless_compute_loss": lambda gan: gan.stateless_compute_loss([], [], []),
    "train_on_batch": lambda gan: gan.train_on_batch(*helpers.make_data()),
    "train_step": lambda gan: gan.train_step(helpers.make_data()),
}


def symbolic_inputs():
    return [
        keras.KerasTensor((None, helpers.LATENT_DIM)),
        keras.KerasTensor((None,), dtype="int32"),
    ]


def stateless_call(gan):
    variables = gan.trainable_variables, gan.non_trainable_variables
    rows, _ = gan.stateless_call(*variables, INPUTS)
    return rows


def save_and_load(gan, folder):
    gan.save(folder / "gan.keras")
    loaded = keras.saving.load_model(folder / "gan.keras")
    assert loaded.num_discriminator_updates == gan.num_discriminator_updates


def save_and_load_weights(gan, folder):
    gan.save_weights(folder / "gan.weights.h5")
    gan.load_weights(folder / "gan.weights.h5")


def rows(values):
    assert values.shape == (5, *helpers.SHAPE)


def logs(values):
    assert sorted(values) == ["d_loss_fake", "g_loss"]


# Each is called on one model that was trained, in this order.
WORKS = {
    "build": lambda gan, _: gan.build(SHAPES),
    "build_from_config": lambda gan, _: gan.build_from_config(gan.get_build_config()),
    "call": lambda gan, _: rows(gan.call(INPUTS)),
    "compute_mask": lambda gan, _: gan.compute_mask(INPUTS, None),
    "compute_output_shape": lambda gan, _: rows(
        np.zeros(gan.compute_output_shape(SHAPES))
    ),
    "compute_output_spec": lambda gan, _: gan.compute_output_spec(symbolic_inputs()),
    "count_params": lambda gan, _: gan.count_params(),
    "evaluate": lambda gan, _: logs(gan.evaluate(verbose=0, return_dict=True)),
    "export": lambda gan, folder: gan.export(folder / "export"),
    "fit": lambda gan, _: gan.fit(*helpers.make_data(), batch_size=12, verbose=0),
    "from_config": lambda gan, _: type(gan).from_config(gan.get_config()),
    "get_build_config": lambda gan, _: gan.get_build_config(),
    "get_compile_config": lambda gan, _: gan.get_compile_config()["loss"],
    "compile_from_config": lambda gan, _: gan.compile_from_config(
        gan.get_compile_config()
    ),
    "get_config": lambda gan, _: gan.get_config()["generator"],
    "get_layer": lambda gan, _: gan.get_layer("generator"),
    "get_metrics_result": lambda gan, _: logs(gan.get_metrics_result()),
    "get_quantization_layer_structure": lambda gan, _: (
        gan.get_quantization_layer_structure()
    ),
    "get_state_tree": lambda gan, _: gan.get_state_tree()["optimizer_variables"],
    "set_state_tree": lambda gan, _: gan.set_state_tree(gan.get_state_tree()),
    "get_weights": lambda gan, _: gan.get_weights(),
    "set_weights": lambda gan, _: gan.set_weights(gan.get_weights()),
    "load_own_variables": lambda gan, _: gan.load_own_variables({}),
    "load_weights": save_and_load_weights,
    "make_predict_function": lambda gan, _: gan.make_predict_function(),
    "make_test_function": lambda gan, _: gan.make_test_function(),
    "make_train_function": lambda gan, _: gan.make_train_function(),
    "predict": lambda gan, _: rows(gan.predict(INPUTS, verbose=0)),
    "predict_on_batch": lambda gan, _: rows(gan.predict_on_batch(INPUTS)),
    "predict_step": lambda gan, _: rows(gan.predict_step((INPUTS,))),
    "reset_metrics": lambda gan, _: gan.reset_metrics(),
    "save": save_and_load,
    "save_own_variables": lambda gan, _: gan.save_own_variables({}),
    "save_weights": save_and_load_weights,
    "stateless_call": lambda gan, _: rows(stateless_call(gan)),
    "summary": lambda gan, _: gan.summary(print_fn=lambda *_, **__: None),
    "symbolic_call": lambda gan, _: gan.symbolic_call(symbolic_inputs()),
    "test_on_batch": lambda gan, _: logs(
        gan.test_on_batch(*helpers.make_data(), return_dict=True)
    ),
    "test_step": lambda gan, _: logs(gan.test_step(helpers.make_data())),
    "to_json": lambda gan, _: keras.models.model_from_json(gan.to_json()),
    "compile": lambda gan, _: gan.compile(**helpers.compile_defaults()),
}

# Keras' own, which fail on every model that is built in its constructor; and what Keras
# calls inside of a `RematScope`.
NOT_CALLED = {"add_metric", "add_variable", "add_weight", "rematerialized_call"}

# Properties of a model whose layers are not one graph raise in Keras, too.
UNDEFINED = {"distribute_reduction_method", "input", "output"}


def public_names():
    return {name for name in dir(keras.Model) if not name.startswith("_")}


def properties():
    return {
        name
        for name in public_names()
        if isinstance(inspect.getattr_static(keras.Model, name), property)
    }


@pytest.fixture(scope="module")
def trained():
    gan = helpers.make_gan()
    gan.fit(*helpers.make_data(), batch_size=12, verbose=0)
    return gan


def test_each_name_of_keras_is_looked_at():
    looked_at = {*WORKS, *REFUSED, *NOT_CALLED, *properties()}
    # A name that an older Keras lacks may stand above; none may be missing there.
    assert public_names() - looked_at - {"loss"} == set()


def test_every_method_works_or_says_why_not(trained, tmp_path):
    for name, use in WORKS.items():
        if not hasattr(keras.Model, name):
            continue
        use(trained, tmp_path)
    assert trained.num_discriminator_updates == 20
    assert trained.loss == "wasserstein"


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_meaning_is_refused_with_the_reason(trained, name):
    with pytest.raises(ValueError, match=f"`{name}` is not supported: .{{40}}"):
        REFUSED[name](trained)


def test_every_property_can_be_read_before_and_after_compile(trained):
    uncompiled = dpgan.DPGAN(helpers.make_discriminator(), helpers.make_generator())
    for name in sorted(properties() - set(REFUSED) - UNDEFINED):
        for gan in (trained, uncompiled):
            getattr(gan, name)
    assert trained.metrics_names == uncompiled.metrics_names


def test_summary_counts_both_optimizers_of_a_loaded_model_too(trained, tmp_path):
    trained.save(tmp_path / "gan.keras")
    for gan in (trained, keras.saving.load_model(tmp_path / "gan.keras")):
        lines = []
        gan.summary(print_fn=lambda line, to=lines, **_: to.append(line))
        counted = gan.d_optimizer.variables + gan.g_optimizer.variables
        number = sum(int(np.prod(v.shape)) for v in counted)
        assert f"Optimizer params: {number:,}" in "".join(lines)


SAVE = {
    "gan.save": lambda gan, path: gan.save(path),
    "keras.Model.save": lambda gan, path: keras.Model.save(gan, path),
    "keras.saving": lambda gan, path: keras.saving.save_model(gan, path),
    "keras.models": lambda gan, path: keras.models.save_model(gan, path, True),
    "no optimizer": lambda gan, path: gan.save(path, include_optimizer=False),
    "a model around it": lambda gan, path: keras.Sequential([gan]).save(path),
}


@pytest.mark.parametrize("road", SAVE)
@pytest.mark.parametrize("name", ["gan.h5", "gan.hdf5"])
def test_a_whole_model_in_hdf5_is_refused_before_a_file_is_touched(
    trained, tmp_path, name, road
):
    for path in (tmp_path / name, str(tmp_path / name)):
        with pytest.raises(ValueError, match=r"\.keras.*\.weights\.h5.*Received"):
            SAVE[road](trained, path)
    assert not list(tmp_path.iterdir())
    (tmp_path / name).write_text("what stood there")
    with pytest.raises(ValueError, match=r"\.keras"):
        SAVE[road](trained, tmp_path / name)
    assert (tmp_path / name).read_text() == "what stood there"


def test_a_checkpoint_in_hdf5_is_refused_before_anything_is_spent(tmp_path):
    gan = helpers.make_gan()
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "gan.h5")
    with pytest.raises(ValueError, match=r"\.keras.*\.weights\.h5.*Received"):
        gan.fit(*helpers.make_data(), batch_size=12, callbacks=[checkpoint])
    assert gan.num_discriminator_updates == 0


@pytest.mark.parametrize("wrap", [tf.function, lambda step: step])
def test_a_step_by_hand_is_refused_and_counts_nothing(tmp_path, wrap):
    gan = helpers.make_gan()
    x, y = helpers.make_data()
    with privacy.Ledger(tmp_path / "ledger", "toy") as ledger:
        gan.fit(x, y, batch_size=12, verbose=0, ledger=ledger)
        step = wrap(gan.train_step)
        weights = helpers.weights_of(gan)
        with pytest.raises(ValueError, match="`train_step` is not supported: its bat"):
            step((tf.constant(x[:12]), tf.constant(y[:12])))
        assert ledger.total_updates == gan.num_discriminator_updates == 10
    assert helpers.same(weights, helpers.weights_of(gan))


def test_other_models_are_written_as_hdf5_as_before(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.save(tmp_path / "model.h5", include_optimizer=False)
    loaded = keras.saving.load_model(tmp_path / "model.h5")
    assert helpers.same(model.get_weights(), loaded.get_weights())


@pytest.mark.parametrize(
    "save", [lambda gan, *a, **k: gan.save(*a, **k), keras.saving.save_model]
)
def test_a_file_without_optimizers_keeps_the_privacy_history(trained, tmp_path, save):
    save(trained, tmp_path / "gan.keras", include_optimizer=False)
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert loaded.privacy_history.entries == trained.privacy_history.entries
    assert loaded.epsilon() == trained.epsilon() > 0


def test_trackers_read_the_configurations_of_both_optimizers(trained):
    config = trained.optimizer.get_config()
    assert config["d_optimizer"]["noise_multiplier"] == 1.0
    assert config["g_optimizer"]["learning_rate"] == pytest.approx(1e-3)


def test_an_uncompiled_model_can_be_saved(tmp_path):
    gan = dpgan.DPGAN(helpers.make_discriminator(), helpers.make_generator())
    gan.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    assert not loaded.compiled
    loaded.compile(**helpers.compile_defaults())
    loaded.fit(*helpers.make_data(), batch_size=12, verbose=0)


def test_an_export_archive_and_copies_take_a_trained_model(trained, tmp_path):
    archive = keras.export.ExportArchive()
    archive.track(trained)
    signature = [
        tf.TensorSpec((None, helpers.LATENT_DIM)),
        tf.TensorSpec((None,), tf.int32),
    ]
    archive.add_endpoint("serve", trained.call, input_signature=[signature])
    archive.add_variable_collection("optimizer", trained.optimizer.variables)
    archive.write_out(tmp_path / "archive", verbose=False)
    for other in (copy.deepcopy(trained), pickle.loads(pickle.dumps(trained))):
        assert other.num_discriminator_updates == trained.num_discriminator_updates


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "onnx"}, r"gan\.generator\.export\(filepath, format='onnx'\)"),
        ({"format": True}, "`format` must be"),
        ({"input_signature": []}, "`input_signature` must be None"),
    ],
)
def test_another_form_of_export_is_refused(trained, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        trained.export(tmp_path / "export", **arguments)
    assert not list(tmp_path.iterdir())


def test_export_says_where_it_is_if_asked(trained, tmp_path, capsys):
    trained.export(tmp_path / "quiet")
    assert capsys.readouterr().out == ""
    trained.export(tmp_path / "export", verbose=True)
    assert str(tmp_path / "export") in capsys.readouterr().out


def test_a_state_tree_of_before_does_not_take_back_updates():
    gan = helpers.make_gan()
    gan.fit(*helpers.make_data(), batch_size=12, verbose=0)
    before = gan.get_state_tree(value_format="numpy_array")
    gan.fit(*helpers.make_data(), batch_size=12, verbose=0)
    gan.set_state_tree(before)
    assert gan.num_discriminator_updates == 20
    assert gan.privacy_history.entries[0].count == 20
