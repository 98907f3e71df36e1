"""The model card: what is in an export, for people."""

_DIFFERENCES = {
    "add_or_remove_one": "a row added or removed",
    "replace_with_null": "a row replaced by a null row",
}

_ACCOUNTANTS = {
    "pld": "privacy loss distributions (dp_accounting)",
    "rdp": "Renyi differential privacy (dp_accounting)",
}


def documentation(facts):
    """What the generator takes and makes, in one line for each.

    Args:
        facts: The entry `generator` of a privacy card.

    Returns:
        A string.
    """
    lines = [f"latents: float32 of shape (n, {facts['latent_dim']}), standard normal"]
    if facts["num_classes"] is not None:
        lines.append(f"labels: int32 of shape (n,), in [0, {facts['num_classes']})")
    shape = ", ".join(["n", *map(str, facts["row_shape"])])
    if facts["pixel_range"] is None:
        confined = "of any value"
    else:
        confined = "in [{:g}, {:g}]".format(*facts["pixel_range"])
    lines.append(f"samples: float32 of shape ({shape}), {confined}")
    return "\n".join(lines)


def model_card(card):
    """The text of an export's README.

    Args:
        card: A privacy card.

    Returns:
        A string of Markdown. It begins with the guarantee, or that there is none.
    """
    sections = [
        f"# A generator of synthetic data\n\n**{card['summary']}**",
        _use(card["generator"]),
        _privacy(card),
        _data(card["dataset"]),
        _made_with(card["versions"]),
    ]
    return "\n\n".join(sections) + "\n"


def _use(facts):
    conditional = facts["num_classes"] is not None
    drawn = "samples, labels" if conditional else "samples"
    inputs = "[latents, labels]" if conditional else "latents"
    bullets = "\n".join(f"- {line}" for line in documentation(facts).splitlines())
    return f"""\
## Use

```python
import tensorflow_hub as hub  # or tf.saved_model.load(path)

generator = hub.load("path/of/this/folder")
{drawn} = generator.sample(16, seed=0)
samples = generator({inputs})
```

{bullets}

`hub.KerasLayer(path)`, `keras.layers.TFSMLayer(path)` and the signature
`serving_default` of TensorFlow Serving call it, too. Without writing code, with
`pip install keras-dpgan`: `python -m keras_dpgan.sample PATH --n=1000 --out=data.npz`."""


def _privacy(card):
    guarantee, training = card["guarantee"], card["training"]
    if guarantee is None:
        return f"## Privacy\n\n{card['summary']}"
    rows = {
        "epsilon": f"{guarantee['epsilon']:.6g}",
        "delta": f"{guarantee['delta']:g}",
        "unit": guarantee["unit"],
        "neighbouring data sets": _DIFFERENCES[guarantee["neighbouring_relation"]],
        "accounting": _ACCOUNTANTS[guarantee["accountant"]],
        "noised updates of the discriminator": training["discriminator_updates"],
        "largest norm of one row's gradient": training["l2_norm_clip"],
    }
    table = ["| | |", "| --- | --- |"]
    table += [f"| {name} | {value} |" for name, value in rows.items()]
    updates = [f"- {_entry(entry)}" for entry in training["history"]]
    assumptions = [f"- {text}" for text in guarantee["assumptions"]]
    return "\n".join(
        [
            "## Privacy\n",
            *table,
            "\nThe updates:\n",
            *updates,
            "\nWhat the guarantee rests on:\n",
            *assumptions,
            "\nThe same for machines, with checksums of the SavedModel, is in "
            "`privacy.json`.",
        ]
    )


def _entry(entry):
    if entry["sampling_probability"] is not None:
        sampling = f"Poisson sampling at rate {entry['sampling_probability']:.6g}"
        if entry["seeded_sampling"]:
            sampling += ", from a seed: no amplification is claimed"
    elif entry["max_participations"] is not None:
        sampling = f"each row in at most {entry['max_participations']} of them"
    else:
        sampling = "each row in every one of them"
    noise = f"noise multiplier {entry['noise_multiplier']:g}"
    if entry["clipped_count_stddev"] is not None:
        noise += (
            f", adaptive clip with a count noised by {entry['clipped_count_stddev']:g}"
        )
    return f"{entry['count']} with {noise}; {sampling}"


def _data(dataset):
    name = dataset["name"] or "not published"
    size = dataset["num_examples"] or "not published"
    return f"## Training data\n\nName: {name}. Number of rows: {size}."


def _made_with(versions):
    made = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"## Made with\n\n{made}."
