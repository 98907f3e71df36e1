"""The model card: a readable description of an export."""

from keras_dpgan.export.loading import latent_shape
from keras_dpgan.privacy.statement_text import ACCOUNTANT_NAMES
from keras_dpgan.privacy.statement_text import rounded_up

_RELATIONS = {
    "add_or_remove_one": "one has one row more than the other",
    "replace_with_null": "one has a null row in the place of a row of the other",
    "replace_client": "all data of one client differ, in any way",
    "replace_client_with_null": "one client's update is zero in one of them",
}


def documentation(facts):
    """The generator's inputs and outputs, in one line for each.

    Args:
        facts: The entry `generator` of a privacy card.

    Returns:
        A string.
    """
    latents = ", ".join(["n", *map(str, latent_shape(facts))])
    lines = [f"latents: float32 of shape ({latents}), standard normal"]
    if "condition_shape" in facts:
        size = facts["condition_shape"][0]
        lines.append(f"conditions: {facts['condition_dtype']} of shape (n, {size})")
    if facts["num_classes"] is not None:
        lines.append(f"labels: int32 of shape (n,), in [0, {facts['num_classes']})")
    shape = ", ".join(["n", *map(str, facts["row_shape"])])
    if facts["pixel_range"] is None:
        confined = "of any value"
    else:
        confined = "in [{:g}, {:g}]".format(*facts["pixel_range"])
    lines.append(f"samples: float32 of shape ({shape}), {confined}")
    return "\n".join(lines)


def model_card(card, use=None):
    """The text of an export's README.

    Args:
        card: A privacy card.
        use: String of Markdown: how the generator is used. Defaults to `None`: as
            one of arrays.

    Returns:
        A string of Markdown. It begins with the guarantee, or says that there is none.
    """
    sections = [
        f"# A generator of synthetic data\n\n**{card['summary']}**",
        _use(card["generator"]) if use is None else use,
        _privacy(card),
        _data(card["dataset"]),
        _made_with(card["versions"]),
    ]
    return "\n\n".join(sections) + "\n"


def _use(facts):
    condition = None if facts["num_classes"] is None else "labels"
    if "condition_shape" in facts:
        condition = "conditions"
    drawn = f"samples, {condition}" if condition else "samples"
    inputs = f"[latents, {condition}]" if condition else "latents"
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
`serving_default` of TensorFlow Serving call it, too. With `pip install keras-dpgan`
there is no code to write:

```sh
python -m keras_dpgan.sample path/of/this/folder --n=1000 --out=samples.npz
```"""


def _privacy(card):
    guarantee = card["guarantee"]
    if guarantee is None:
        return f"## Privacy\n\n{card['summary']}"
    accountant = ACCOUNTANT_NAMES[guarantee["accountant"]]
    rows = {
        "epsilon": guarantee["epsilon"],
        "delta": f"{guarantee['delta']:g}",
        "unit of privacy": guarantee["unit_of_privacy"],
        "neighbouring data sets": _RELATIONS[guarantee["neighbouring_relation"]],
        "accounting": f"{accountant}, {guarantee['accounting_library']}",
    }
    if guarantee["unit_of_privacy"] == "row":
        public = "the number of rows, and so the sampling probability"
        if not guarantee["num_examples_is_public"]:
            public = "the model and its hyper-parameters; not the number of rows"
        rows |= {
            "largest L2 norm of a row's gradient": guarantee["l2_norm_clip"],
            "public": public,
        }
    rows |= _attack(guarantee["attack"]) | _deployment(card["deployment"])
    people = guarantee["max_records_per_person"]
    if people > 1:
        rows[f"epsilon of a person with {people} rows"] = guarantee["group_epsilon"]
    lists = {
        "Updates": [_entry(e) for e in guarantee["updates"]],
        "Assumed": guarantee["assumptions"],
        "May be published": guarantee["released"],
        "Must not be published": guarantee["withheld"],
        "Not covered": guarantee["not_covered"],
    }
    return "\n\n".join(
        [
            "## Privacy",
            _table(rows),
            *[_list(title, items) for title, items in lists.items() if items],
            "The same for machines, with checksums of the SavedModel: `privacy.json`.",
        ]
    )


def _attack(attack):
    rows = {
        "members recognized at most, where "
        f"{rate['false_positive_rate']:.1%} of outsiders may be accused": (
            f"{rounded_up(rate['true_positive_rate'])}%"
        )
        for rate in attack["rates"]
    }
    rows["largest advantage of an attacker"] = f"{rounded_up(attack['advantage'])}%"
    rows[
        "mu of Gaussian differential privacy, from rates of "
        f"{attack['gdp_mu_from_rate']:g}"
    ] = attack["gdp_mu"]
    return rows


def _deployment(deployment):
    return {
        name.replace("_", " "): ", ".join(said) if isinstance(said, list) else said
        for name, said in deployment.items()
        if said
    }


def _table(rows):
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["| | |", "| --- | --- |", *lines])


def _list(title, items):
    return "\n".join([f"{title}:\n", *[f"- {item}" for item in items]])


def _entry(entry):
    if entry["sampling_probability"] is not None:
        sampling = f"Poisson sampling at rate {entry['sampling_probability']:.6g}"
        if entry["seeded_sampling"]:
            sampling += ", from a seed: no amplification is claimed"
    elif entry.get("allocation_batches") is not None:
        sampling = (
            f"each row in one of {entry['allocation_batches']} consecutive ones, at "
            "random"
        )
    elif entry["max_participations"] is not None:
        sampling = f"each row in at most {entry['max_participations']} of them"
    else:
        unit = entry.get("unit", "row")
        sampling = f"each {unit} in every one of them"
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
