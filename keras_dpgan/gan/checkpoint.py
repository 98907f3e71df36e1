"""A checkpoint of a `DPGAN` in one file, and what it belongs to."""

import hashlib
import json
import os

import h5py
import keras
import numpy as np

from keras_dpgan._utils import durable
from keras_dpgan._utils import validate
from keras_dpgan._utils.formats import Format

_FORMAT = Format(
    "checkpoint", version=2, required=("facts", "epoch", "step", "dropout_seeds")
)
_NAME = "keras_dpgan_checkpoint"
# Version 0.1 stored the facts here, in an attribute, which can
# hold 64 KiB at most. That is not enough.
_FIRST_NAME = "keras_dpgan_resumable_fit"
_LARGEST_TEXT = 2**26
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
    """Writes a checkpoint, which replaces the previous one.

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
    content = _FORMAT.write(
        facts=facts,
        epoch=epoch,
        step=step,
        dropout_seeds=[v.numpy().tolist() for v in _dropout_seeds(model)],
    )
    try:
        _begin_for_owner(beside)
        model.save_weights(beside, overwrite=True)
        with h5py.File(beside, "r+") as file:
            file[_NAME] = np.frombuffer(json.dumps(content).encode(), np.uint8)
        durable.replace(beside, path)
    except (
        OSError,
        RuntimeError,
    ) as error:  # HDF5 raises the latter when the disk is full.
        raise OSError(
            f"The checkpoint `{path}` could not be written. The one before it, if "
            "there was one, is whole: free some space and run the same script again. "
            f"The reason: {error}"
        ) from error


def _begin_for_owner(path):
    """Makes an empty file that its owner alone may read; what is written keeps that."""
    if os.path.exists(path):
        os.remove(path)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def load(path, model, facts):
    """Loads a checkpoint, if it belongs to the model.

    Args:
        path: As in `save`.
        model: A compiled `DPGAN`.
        facts: Its `facts_of`.

    Returns:
        `(epoch, step)` as in `save`.

    Raises:
        ValueError: If the model, or how it is compiled, is another, or the file is
            no checkpoint that this version reads.
    """
    content = _read(path)
    stored = content["facts"]
    others = [name for name in stored if not _agree(stored[name], facts.get(name))]
    if others:
        raise ValueError(
            f"The checkpoint `{path}` was written by a run with another "
            f"{', another '.join(others)}. To continue that run, build and compile the "
            f"model as it was. To begin a new run, use another directory than "
            f"`{os.path.dirname(path)}`."
        )
    model.load_weights(path)
    seeds = _dropout_seeds(model)
    for variable, value in zip(seeds, content["dropout_seeds"], strict=True):
        variable.assign(value)
    return content["epoch"], content["step"]


def _read(path):
    """The fields of a checkpoint, each of its kind."""
    with h5py.File(path, "r") as file:
        if _NAME in file:
            text = _text_of(file[_NAME], path)
        elif _FIRST_NAME in file.attrs:
            text = file.attrs[_FIRST_NAME]
        else:
            raise ValueError(f"`{path}` is not a checkpoint of a `DPGAN`.")
    try:
        content = _FORMAT.read(json.loads(text))
        if not isinstance(content["facts"], dict):
            raise ValueError("`facts` must be a dict.")
        for name in ("epoch", "step"):
            validate.check_int(name, content[name], minimum=0)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"`{path}` is a checkpoint that cannot be continued: {error}"
        ) from error
    return content


def _text_of(dataset, path):
    """What a checkpoint says about itself; its length is checked before it is read."""
    is_bytes = isinstance(dataset, h5py.Dataset) and dataset.dtype == np.uint8
    if not is_bytes or dataset.ndim != 1 or dataset.size > _LARGEST_TEXT:
        raise ValueError(
            f"`{path}` is a checkpoint that cannot be continued: `{_NAME}` in it must "
            f"be at most {_LARGEST_TEXT} bytes. Received: {dataset}"
        )
    return np.asarray(dataset).tobytes()


def _agree(stored, now):
    """Whether what a checkpoint says about a model is true of this one.

    What it does not say, it cannot contradict: a later version of Keras or of this
    package may have given a layer or an optimizer a further argument.
    """
    if isinstance(stored, dict):
        return isinstance(now, dict) and all(
            key in now and _agree(value, now[key]) for key, value in stored.items()
        )
    if isinstance(stored, list):
        return (
            isinstance(now, list)
            and len(stored) == len(now)
            and all(map(_agree, stored, now))
        )
    # Version 0.1 kept hashes.
    return stored in (now, _digest(now))


def _dropout_seeds(model):
    """The variables that Keras leaves out of a weight file.

    They are seeds of layers, and public; noise and sampling have no variables.
    """
    weights = {id(weight) for weight in model.weights}
    return [v for v in model.variables if id(v) not in weights]


def facts_of(model):
    """What has to be equal for a checkpoint to fit, as JSON values by name.

    Names that Keras makes up, and the learning rate, which the checkpoint
    restores, are left out.
    """
    compiled = model.get_compile_config()
    facts = {name: compiled[name] for name in _COMPILED}
    facts["discriminator"] = list(_layers(model.discriminator))
    facts["generator"] = list(_layers(model.generator))
    return json.loads(json.dumps(_comparable(facts), default=str))


def _layers(network):
    """Class, configuration and shapes of each layer that is not a model."""
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
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
