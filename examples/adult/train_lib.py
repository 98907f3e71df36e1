"""Learns four fifths of Adult, and compares synthetic rows with real ones."""

import json
import pathlib

import numpy as np
import pandas as pd

import keras_dpgan as dpgan

TARGET = "income>50K"
_SPLIT_SEED = 0
_TRAINING_SHARE = 0.8

# Codes and bounds of the published table's documentation.
SCHEMA = dpgan.tables.TableSchema(
    {
        "age": dpgan.tables.Numeric(0, 73, bins=15, integer=True),
        "workclass": dpgan.tables.Categorical(list(range(9))),
        "education-num": dpgan.tables.Numeric(0, 15, integer=True),
        "marital-status": dpgan.tables.Categorical(list(range(7))),
        "occupation": dpgan.tables.Categorical(list(range(15))),
        "relationship": dpgan.tables.Categorical(list(range(6))),
        "race": dpgan.tables.Categorical(list(range(5))),
        "sex": dpgan.tables.Categorical([0, 1]),
        "capital-gain": dpgan.tables.Numeric(
            0, 122, edges=[1, 3, 5, 8, 11, 16, 31], integer=True
        ),
        "capital-loss": dpgan.tables.Numeric(
            0, 98, bins=10, integer=True, point_masses=[0]
        ),
        "hours-per-week": dpgan.tables.Numeric(
            0, 98, bins=10, integer=True, point_masses=[39]
        ),
        "native-country": dpgan.tables.Categorical(list(range(42))),
        TARGET: dpgan.tables.Categorical([0, 1]),
    }
)


def train(csv, output_dir, epsilon, delta, components=None):
    """Writes rows, generator, what is proven and how good it is.

    Args:
        csv: Path of Adult.
        output_dir: Path of a folder.
        epsilon: Positive float.
        delta: Float in (0, 1).
        components: Int, of the mixture. Defaults to `None`: the recipe's.

    Returns:
        The dict of `evaluation.evaluate_table`.
    """
    folder = pathlib.Path(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    real = pd.read_csv(csv)
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(real))
    cut = int(_TRAINING_SHARE * len(order))
    training, test = real.iloc[order[:cut]], real.iloc[order[cut:]]
    with dpgan.privacy.Ledger(folder / "adult.ledger", "Adult") as ledger:
        generator = dpgan.recipes.table(
            training,
            SCHEMA,
            TARGET,
            epsilon=epsilon,
            delta=delta,
            components=components,
            ledger=ledger,
        )
    rows = generator.sample()
    rows.to_csv(folder / "synthetic.csv", index=False)
    generator.export(folder / "generator", overwrite=True)
    statement = f"{generator.privacy_statement()}\n"
    (folder / "privacy.txt").write_text(statement, "utf-8")
    # Adult is public; of a private table these figures are not to be published.
    scores = dpgan.evaluation.evaluate_table(rows, training, test, SCHEMA, TARGET)
    (folder / "scores.json").write_text(json.dumps(scores, indent=2), "utf-8")
    for side in ("synthetic", "real"):
        auc = scores["prediction"][side]["boosting"]["auc"]
        print(f"AUC of boosting trained on {side} rows, tested on real ones: {auc:.3f}")
    return scores
