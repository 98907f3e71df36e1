"""`.keras` files that carry code, or a history of somebody else's."""

import json
import zipfile

import h5py
import helpers
import keras
import numpy as np
import pytest


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "gan.keras"
    helpers.make_gan().save(path)
    return path


def with_config(source, target, change):
    """A copy of a `.keras` file with another configuration."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return target


def lambda_layer(path):
    """The configuration of a layer that writes a file when it is called."""
    layer = keras.layers.Lambda(lambda x: [open(path, "w"), x][1], output_shape=(1,))
    return keras.saving.serialize_keras_object(layer)


def in_the_generator(config, code):
    layers = config["config"]["generator"]["config"]["layers"]
    layers[-1]["class_name"] = code["class_name"]
    layers[-1]["module"] = code["module"]
    layers[-1]["config"] = {**code["config"], "name": layers[-1]["name"]}


def in_the_optimizer(config, code):
    config["compile_config"]["d_optimizer"]["config"]["learning_rate"] = code


def in_the_loss(config, code):
    config["compile_config"]["loss"] = code


@pytest.mark.parametrize("place", [in_the_generator, in_the_optimizer, in_the_loss])
def test_code_in_a_file_is_refused_and_not_run(saved, tmp_path, place):
    ran = tmp_path / "ran"
    code = lambda_layer(str(ran))
    if place is not in_the_generator:
        code = code["config"]["function"]
    path = with_config(saved, tmp_path / "gan.keras", lambda c: place(c, code))
    with pytest.raises(ValueError, match="safe_mode|unsafe|lambda"):
        keras.models.load_model(path)
    assert not ran.exists()


@pytest.mark.parametrize("place", [in_the_optimizer, in_the_loss])
def test_a_function_of_another_module_is_not_called(saved, tmp_path, place):
    ran = tmp_path / "ran"
    code = {
        "module": "os",
        "class_name": "system",
        "config": f"touch {ran}",
        "registered_name": None,
    }
    path = with_config(saved, tmp_path / "gan.keras", lambda c: place(c, code))
    with pytest.raises((ValueError, TypeError)):
        keras.models.load_model(path)
    assert not ran.exists()


GOOD = {
    "closed": '{"version": 1, "entries": []}',
    "entry": None,
    "ledger_head": None,
    "num_examples": None,
    "num_added": 0,
    "num_resumed": 0,
    "num_released": 0,
}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
        b"{}",
        *(
            json.dumps({**GOOD, **change}).encode()
            for change in (
                {"closed": "{}"},
                {"closed": 3},
                {"entry": [1]},
                {"entry": {"mechanism": "none"}},
                {"ledger_head": 7},
                {"ledger_head": ["a", "b"]},
                {"ledger_head": [1, 2]},
                {"num_examples": -1},
                {"num_examples": "many"},
                {"num_added": -1},
                {"num_added": 1e999},
                {"num_resumed": True},
                {"further": 0},
            )
        ),
    ],
    ids=range(18),
)
def test_a_foreign_history_in_a_weight_file_is_refused(tmp_path, model, content):
    path = tmp_path / "gan.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "a") as file:
        names = []
        file.visit(names.append)
        name = next(name for name in names if name.endswith("vars/history"))
        del file[name]
        file[name] = np.frombuffer(content, np.uint8)
    before = model.privacy_history
    with pytest.raises(ValueError, match="privacy history is damaged"):
        model.load_weights(path)
    assert model.privacy_history == before


@pytest.fixture(scope="module")
def model():
    return helpers.make_gan()
