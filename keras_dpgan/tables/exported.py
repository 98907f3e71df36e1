"""The generator of a table from an export, without the code that trained it."""

import copy
import json

import tensorflow as tf

from keras_dpgan.export.loading import register_loader
from keras_dpgan.tables.exporting import GENERATOR_NAME
from keras_dpgan.tables.generator import TableGenerator


class ExportedTable(TableGenerator):
    """A `TableGenerator` from an export, with the privacy card.

    `export.load` makes it.

    Examples:
        >>> import pandas as pd
        >>> schema = dpgan.tables.TableSchema({"smoker": dpgan.tables.Boolean()})
        >>> rows = pd.DataFrame({"smoker": [True, False, False] * 10})
        >>> generator = dpgan.recipes.table(
        ...     rows, schema, epsilon=1.0, delta=1e-3, verbose=0
        ... )
        >>> generator.export("smokers")
        >>> dpgan.export.load("smokers").sample(4).shape
        (4, 1)
    """

    def privacy_card(self) -> dict:
        """The privacy card, a dict; see `export.read_card`."""
        return copy.deepcopy(self._card)


def load_table(folder, card):
    """The `ExportedTable` of a folder whose card was read and fits."""
    config = json.loads((folder / "assets" / GENERATOR_NAME).read_text("utf-8"))
    generator = ExportedTable.from_config(config)
    saved = tf.saved_model.load(str(folder))
    (logits,) = saved.signatures["logits"]().values()
    generator.mixture.logits.assign(logits)
    # A plain attribute: Keras would take a dict for layers to be tracked.
    object.__setattr__(generator, "_card", card)
    return generator


register_loader(GENERATOR_NAME, load_table)
