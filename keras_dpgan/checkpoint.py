"""A checkpoint of a `DPGAN` in one file, and what it belongs to."""

import hashlib
import json
import os

import h5py
import keras

from keras_dpgan import _durable

_ATTRIBUTE = "keras_dpgan_resumable_fit"
_COMPILED = (
    "d_optimizer",
    "g_optimizer",
    "loss",
    "gradient_penalty",
    "weight_clip",
    "discriminator_steps",
    "label_prior",
)


def save(path, model, facts, epoch, step):
    """Writes a checkpoint in the place of the one before.

    Args:
        path: String, ends in `.weights.h5`.
        model: A `DPGAN`.
        facts: Its `facts_of`.
        epoch: Int, the epoch to go on with.
        step: Int, the steps of it that are done.

    Raises:
        OSError: If the disk takes no more.
    """
    beside = path.replace(".weights.h5", "-new.weights.h5")
    content = {
        "facts": facts,
        "epoch": epoch,
        "step": step,
        "dropout_seeds": [v.numpy().tolist() for v in _dropout_seeds(model)],
    }
    try:
        model.save_weights(beside, overwrite=True)
        with h5py.File(beside, "r+") as file:
            file.attrs[_ATTRIBUTE] = json.dumps(content)
        _durable.replace(beside, path)
    except (OSError, RuntimeError) as error:  # HDF5 has the latter for a full disk.
        raise OSError(
            f"The checkpoint `{path}` could not be written. The one before it, if "
            "there was one, is whole: free some space and run the same script again. "
            f"The reason: {error}"
        ) from error


def load(path, model, facts):
    """Loads a checkpoint, if it belongs to the model.

    Args:
        path: As in `save`.
        model: A compiled `DPGAN`.
        facts: Its `facts_of`.

    Returns:
        `(epoch, step)` as in `save`.

    Raises:
        ValueError: If the model, or how it is compiled, is another.
    """
    with h5py.File(path, "r") as file:
        if _ATTRIBUTE not in file.attrs:
            raise ValueError(f"`{path}` is no checkpoint of a `DPGAN`.")
        content = json.loads(file.attrs[_ATTRIBUTE])
    others = [name for name in facts if facts[name] != content["facts"].get(name)]
    if others:
        raise ValueError(
            f"The checkpoint `{path}` is of a run with another "
            f"{', another '.join(others)}. Build and compile the model as it was to "
            f"go on with it, or begin a new run in another directory than "
            f"`{os.path.dirname(path)}`."
        )
    model.load_weights(path)
    seeds = _dropout_seeds(model)
    for variable, value in zip(seeds, content["dropout_seeds"], strict=True):
        variable.assign(value)
    return content["epoch"], content["step"]


def _dropout_seeds(model):
    """The variables that Keras leaves out of a weight file.

    They are seeds of layers, and public; noise and sampling have no variables.
    """
    weights = {id(weight) for weight in model.weights}
    return [v for v in model.variables if id(v) not in weights]


def facts_of(model):
    """What has to be equal for a checkpoint to fit, as short hashes by name.

    Names that Keras makes up, and the learning rate, which the checkpoint
    restores, are left out.
    """
    compiled = model.get_compile_config()
    facts = {name: compiled[name] for name in _COMPILED}
    facts["discriminator"] = list(_layers(model.discriminator))
    facts["generator"] = list(_layers(model.generator))
    return {name: _digest(_comparable(value)) for name, value in facts.items()}


def _layers(network):
    """Class, configuration and shapes of each layer that is no model."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _layers(layer)
        else:
            shapes = [list(weight.shape) for weight in layer.weights]
            yield type(layer).__name__, _config(layer), shapes


def _config(layer):
    try:
        return {k: v for k, v in layer.get_config().items() if k != "name"}
    except NotImplementedError:
        return None


def _comparable(value):
    if isinstance(value, dict):
        return {k: _comparable(v) for k, v in value.items() if not _is_left_out(k, v)}
    if isinstance(value, list | tuple):
        return [_comparable(item) for item in value]
    return value


def _is_left_out(key, value):
    is_name = key == "name"
    return is_name or (key == "learning_rate" and not isinstance(value, dict))


def _digest(value):
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
