"""Writes a folder with a SavedModel, its privacy card and a readable description."""

import os
import typing

from keras_dpgan.export.card import CARD_NAME
from keras_dpgan.export.card import dump_card
from keras_dpgan.export.checksum import checksums
from keras_dpgan.export.folder import complete_folder
from keras_dpgan.export.model_card import documentation
from keras_dpgan.export.model_card import model_card
from keras_dpgan.export.saved_model import save_generator


def export_generator(
    generation: typing.Any,
    card: dict[str, typing.Any],
    filepath: str | os.PathLike[str],
    overwrite: bool = False,
) -> None:
    """Exports a generator.

    Examples:
        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.vector_discriminator(2, hidden=(8,)),
        ...     dpgan.models.vector_generator(2, latent_dim=3, hidden=(8,)),
        ... )
        >>> card = dpgan.export.make_card(gan, pixel_range=None)
        >>> dpgan.export.export_generator(gan.generation, card, "generator")
        >>> dpgan.export.load("generator").sample(5).shape
        (5, 2)

    Args:
        generation: The `PublicGeneration` of the generator.
        card: Its privacy card, from `make_card`.
        filepath: The folder to write.
        overwrite: Whether an existing export is replaced, once the new one is
            complete. Defaults to `False`.

    Raises:
        FileExistsError: If `filepath` exists and `overwrite` is `False`.
    """
    facts = card["generator"]
    with complete_folder(filepath, overwrite, CARD_NAME) as folder:
        save_generator(
            generation.generator,
            generation.latent_shape,
            generation.condition,
            documentation(facts),
            folder,
        )
        card = {**card, "files": checksums(folder)}
        (folder / CARD_NAME).write_text(dump_card(card), encoding="utf-8")
        (folder / "README.md").write_text(model_card(card), encoding="utf-8")
