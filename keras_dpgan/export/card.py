"""The privacy card: what publishing a generator can reveal, for machines."""

import importlib.metadata
import json
import pathlib
import platform

from keras_dpgan._version import __version__
from keras_dpgan.export import claim
from keras_dpgan.export.checksum import check_files
from keras_dpgan.export.schema import card_schema
from keras_dpgan.export.schema import check_card

CARD_NAME = "privacy.json"

_LIBRARIES = ("tensorflow", "keras", "dp-accounting", "tensorflow-privacy", "numpy")

def read_card(path):
    """Reads the privacy card of an export and checks it.

    The checksums show damage and mix-ups. They are no signature: who can change
    the SavedModel can change the card.

    Args:
        path: The folder of an export.

    Returns:
        The card, a dict in the form of the schema that
        `keras_dpgan.export.card_schema()` returns.

    Raises:
        FileNotFoundError: If there is no card.
        ValueError: If the card does not fit the schema, or the SavedModel is not
            the one that it was written for.
    """
    folder = pathlib.Path(path)
    file = folder / CARD_NAME
    if not file.is_file():
        raise FileNotFoundError(
            f"`path` must be a folder that `DPGAN.export` wrote, with the file "
            f"{CARD_NAME}. Received: path={str(path)!r}"
        )
    try:
        card = json.loads(
            file.read_bytes(), object_pairs_hook=_unique_keys, parse_constant=_refuse
        )
        check_card(card)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{error} It was read from {str(file)!r}.") from error
    check_files(folder, card["files"])
    return card


def make_card(gan, pixel_range, dataset_name=None, include_num_examples=False):
    """The privacy card of a `DPGAN`, of no SavedModel in particular.

    Args:
        gan: A `DPGAN`.
        pixel_range: Pair of floats, the range of its generator's output, or
            `None`.
        dataset_name: String that may be published. Defaults to `None`.
        include_num_examples: Whether the number of rows may be published.
            Defaults to `False`.

    Returns:
        A dict of JSON values; see `read_card`.
    """
    history = gan.privacy_history
    guarantee, summary = claim.guarantee_and_summary(gan)
    card = {
        "schema": card_schema()["$id"],
        "private": guarantee is not None,
        "summary": summary,
        "guarantee": guarantee,
        "training": {
            "l2_norm_clip": gan.d_optimizer.mechanism.initial_l2_norm_clip
            if gan.private and history.total_updates
            else None,
            "discriminator_updates": history.total_updates,
            "history": [entry.to_dict() for entry in history.entries],
        },
        "generator": {
            "latent_dim": gan.latent_dim,
            "num_classes": gan.num_classes,
            "label_probabilities": gan.generation.label_probabilities,
            "row_shape": list(gan.row_shape),
            "pixel_range": pixel_range and list(pixel_range),
        },
        "dataset": {
            "name": dataset_name,
            "num_examples": gan.num_examples if include_num_examples else None,
        },
        "versions": _versions(),
        "files": {},
    }
    check_card(card)
    return card


def dump_card(card):
    """The card as text."""
    return json.dumps(card, indent=2, allow_nan=False) + "\n"


def _versions():
    versions = {"keras_dpgan": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _unique_keys(pairs):
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError(
            f"The privacy card gives a key twice: {[key for key, _ in pairs]}."
        )
    return values


def _refuse(constant):
    raise ValueError(f"The privacy card holds {constant}, which is no JSON.")
