"""The privacy card: what publishing a generator can reveal, in a form for machines."""

import collections.abc
import dataclasses
import importlib.metadata
import json
import math
import os
import pathlib
import platform

import keras

from keras_dpgan._utils import formats
from keras_dpgan._version import __version__
from keras_dpgan.export.checksum import check_files
from keras_dpgan.export.schema import card_schema
from keras_dpgan.export.schema import check_card
from keras_dpgan.privacy.statement_text import ACCOUNTANT_NAMES
from keras_dpgan.privacy.statement_text import attack_line

CARD_NAME = "privacy.json"

_LIBRARIES = ("tensorflow", "keras", "dp-accounting", "tensorflow-privacy", "numpy")

_NONE = (
    "There is no privacy guarantee: {}. What it generates may show rows that it was "
    "trained on. Protect it as you protect those rows."
)
_MECHANISMS = {
    "gaussian": "Gaussian noise on a clipped sum",
    "adaptive_clip_gaussian": "Gaussian noise on a sum with an adaptive clip",
    "discrete_gaussian": "discrete Gaussian noise on a clipped sum, in shares",
    "laplace": "Laplace noise on a clipped update",
    "pure": "a report by a randomizer of the client's own",
}
_DIFFERENCES = {
    "add_or_remove_one": "adding or removing one row",
    "replace_with_null": "replacing one row by a null row",
    "replace_client": "replacing all data of one client",
    "replace_client_with_null": "replacing one client by one whose update is zero",
}


def read_card(path: str | os.PathLike[str]) -> dict:
    """Reads the privacy card of an export and checks it.

    The checksums detect damage and mix-ups. They are not a signature: whoever can
    change the SavedModel can also change the card.

    Examples:
        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.vector_discriminator(2, hidden=(8,)),
        ...     dpgan.models.vector_generator(2, latent_dim=3, hidden=(8,)),
        ... )
        >>> _ = gan.export("export/generator")
        >>> dpgan.export.read_card("export/generator")["private"]
        False

    Args:
        path: The folder of an export.

    Returns:
        The card, a dict in the form of the schema that
        `keras_dpgan.export.card_schema()` returns.

    Raises:
        FileNotFoundError: If there is no card.
        ValueError: If the card does not fit the schema, or if it was written for
            another SavedModel.
    """
    folder = pathlib.Path(path)
    file = folder / CARD_NAME
    if not file.is_file():
        raise FileNotFoundError(
            f"`path` must be a folder that `DPGAN.export` wrote, with the file "
            f"{CARD_NAME}. Received: path={str(path)!r}"
        )
    try:
        card = formats.load_json(file.read_bytes(), "The privacy card")
        check_card(card)
    except ValueError as error:
        raise ValueError(f"{error} It was read from {str(file)!r}.") from error
    check_files(folder, card["files"])
    return card


def make_card(
    gan: keras.Model,
    pixel_range: collections.abc.Sequence[float] | None,
    dataset_name: str | None = None,
    include_num_examples: bool = False,
    preprocessing: str | None = None,
    justification: str | None = None,
) -> dict:
    """The privacy card of a `DPGAN`, without the checksums of a SavedModel.

    Examples:
        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.vector_discriminator(2, hidden=(8,)),
        ...     dpgan.models.vector_generator(2, latent_dim=3, hidden=(8,)),
        ... )
        >>> card = dpgan.export.make_card(gan, pixel_range=None, dataset_name="points")
        >>> card["private"]
        False

    Args:
        gan: A `DPGAN`.
        pixel_range: Pair of floats, the range of its generator's output, or
            `None`.
        dataset_name: String that may be published. Defaults to `None`.
        include_num_examples: Whether the number of rows may be published.
            Defaults to `False`.
        preprocessing: String: what was done to the data before training. Defaults to
            `None`: the card does not say it.
        justification: String: why these parameters were chosen. Defaults to `None`:
            the card does not say it.

    Returns:
        A dict of JSON values; see `read_card`. Its guarantee is that of
        `gan.privacy_statement()`.

    Raises:
        ValueError: If a text is empty or no string.
    """
    facts = {
        "latent_dim": _latent_dim(gan.generation),
        "num_classes": gan.num_classes,
        "label_probabilities": gan.generation.label_probabilities,
        "row_shape": list(gan.row_shape),
        "pixel_range": pixel_range and list(pixel_range),
        **_condition_facts(gan.generation),
    }
    return card_of(
        gan.privacy_statement(),
        facts,
        dataset_name,
        include_num_examples,
        preprocessing,
        justification,
    )


def card_of(
    statement,
    generator,
    dataset_name=None,
    include_num_examples=False,
    preprocessing=None,
    justification=None,
) -> dict:
    """The privacy card of any generator.

    Args:
        statement: A `PrivacyStatement`.
        generator: Dict: the card's facts on the generator's inputs and outputs.
        dataset_name: As in `make_card`.
        include_num_examples: As in `make_card`.
        preprocessing: As in `make_card`.
        justification: As in `make_card`.

    Returns:
        A dict of JSON values; see `read_card`.

    Raises:
        ValueError: If a text is empty or no string.
    """
    _check_text("preprocessing", preprocessing)
    _check_text("justification", justification)
    if not include_num_examples:
        statement = _without_size(statement)
    reason = _why_none(statement)
    card = {
        "schema": card_schema()["$id"],
        "private": reason is None,
        "summary": _summary(statement) if reason is None else _NONE.format(reason),
        "guarantee": _guarantee(statement) if reason is None else None,
        "deployment": {
            **_deployment(statement if reason is None else None),
            "preprocessing": preprocessing,
            "justification": justification,
        },
        "generator": generator,
        "dataset": {
            "name": dataset_name,
            "num_examples": statement.num_examples,
        },
        "versions": _versions(),
        "files": {},
    }
    check_card(card)
    return card


def _latent_dim(generation):
    """The size of latents that are vectors; for others the list of their sizes."""
    sizes = list(generation.latent_shape)
    return sizes[0] if len(sizes) == 1 else sizes


def _condition_facts(generation):
    """The inputs instead of labels, if rows depend on other conditions."""
    condition = generation.vector_condition
    if condition is None:
        return {}
    return {
        "condition_shape": list(condition.shape),
        "condition_dtype": condition.dtype,
    }


def dump_card(card):
    """The card as text."""
    return json.dumps(card, indent=2, allow_nan=False) + "\n"


def _without_size(statement):
    """The statement without the number of rows, also in its first sentences."""
    n = statement.num_examples
    if n is None:
        return statement
    caveats = tuple(c.replace(f" = {1 / n:.2g}", "") for c in statement.caveats)
    return dataclasses.replace(statement, num_examples=None, caveats=caveats)


def _why_none(statement):
    """Why nothing can be claimed; `None` if there is a guarantee."""
    if not statement.has_guarantee:
        return "it was trained without a privacy mechanism, or without noise"
    if not statement.history.entries:
        # An epsilon of zero would be a claim on a model that was never trained here.
        return "no private training of it is on record"
    return None


def _guarantee(statement):
    guarantee = statement.to_dict()
    del guarantee["num_examples"]
    return guarantee


def _check_text(name, text):
    if text is not None and not (isinstance(text, str) and text.strip()):
        raise ValueError(
            f"`{name}` must be a text that is published with the card, or None. "
            f"Received: {name}={text!r:.80}"
        )


def _deployment(statement):
    """Trust model, mechanisms and composition; none without a guarantee."""
    if statement is None:
        return {"trust_model": None, "mechanisms": [], "composition": None}
    entries = statement.history.entries
    trust_model = "central"
    if any(entry.excess_divergence is not None for entry in entries):
        trust_model = "distributed"
    elif statement.history.unit == "client":
        trust_model = "local"
    return {
        "trust_model": trust_model,
        "mechanisms": sorted({_MECHANISMS[entry.mechanism] for entry in entries}),
        "composition": (
            f"all {statement.history.total_updates} releases, by "
            f"{ACCOUNTANT_NAMES[statement.accountant]}, {statement.accounting_library}"
        ),
    }


def _summary(statement):
    rounded_up = math.ceil(statement.epsilon * 100) / 100
    claim = (
        f"Differentially private with epsilon = {rounded_up:.2f} at delta = "
        f"{statement.delta:g}, for {_DIFFERENCES[statement.history.relation]}."
    )
    return " ".join([*statement.caveats, claim, attack_line(statement.trade_off)])


def _versions():
    versions = {"keras_dpgan": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
