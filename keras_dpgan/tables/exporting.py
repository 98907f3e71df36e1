"""A table's generator as a SavedModel."""

import json

import keras
import tensorflow as tf

from keras_dpgan.export.card import CARD_NAME
from keras_dpgan.export.card import card_of
from keras_dpgan.export.card import dump_card
from keras_dpgan.export.checksum import checksums
from keras_dpgan.export.folder import complete_folder
from keras_dpgan.export.model_card import model_card

GENERATOR_NAME = "table.json"

_USE = """\
## Use

```python
import keras_dpgan as dpgan

generator = dpgan.export.load("path/of/this/folder")
rows = generator.sample(1000)  # a pandas.DataFrame
```

The signature `serving_default` of the SavedModel takes `latents`, float32 of shape
(n, {latent_dim}), standard normal, and gives a tensor for each column by its name."""


def export_table(generator, filepath, overwrite):
    """Writes a generator; see `TableGenerator.export`."""
    facts = {
        "latent_dim": generator.latent_dim,
        "num_classes": None,
        "label_probabilities": None,
        "row_shape": [len(generator.schema.names)],
        "pixel_range": None,
    }
    card = card_of(generator.privacy_statement(), facts)
    latents = tf.TensorSpec((None, generator.latent_dim), tf.float32, name="latents")
    with complete_folder(filepath, overwrite, CARD_NAME) as folder:
        archive = keras.export.ExportArchive()
        archive.track(generator)
        archive.add_endpoint("serving_default", generator.call, [latents])
        archive.add_endpoint(
            "logits", lambda: tf.identity(generator.mixture.logits), []
        )
        archive.write_out(str(folder), verbose=False)
        config = json.dumps(generator.get_config(), indent=2) + "\n"
        (folder / "assets" / GENERATOR_NAME).write_text(config, "utf-8")
        card = {**card, "files": checksums(folder)}
        (folder / CARD_NAME).write_text(dump_card(card), "utf-8")
        use = _USE.format(latent_dim=generator.latent_dim)
        (folder / "README.md").write_text(model_card(card, use), "utf-8")
