"""What the server does: `flwr run`, or simulate.py, starts it."""

import json
import pathlib

import task
from flwr.serverapp import ServerApp

from keras_dpgan import callbacks
from keras_dpgan import privacy
from keras_dpgan.federated.flower import record_level
from keras_dpgan.federated.flower.group import ClientGroup

app = ServerApp()


@app.main()
def main(grid, context):
    config = task.config_of(context)
    output_dir = pathlib.Path(config["output-dir"])
    output_dir.mkdir(parents=True, exist_ok=True)
    group = ClientGroup(grid, config["num-clients"])
    gan = task.make_gan(config)
    train_record_level(gan, group, config, output_dir)
    gan.save(output_dir / "gan.keras")
    statement = gan.privacy_statement(config["delta"])
    (output_dir / "privacy.txt").write_text(str(statement))
    print(statement)
    run = {
        "config": config,
        "updates": gan.num_discriminator_updates,
        "epsilon": statement.epsilon,
        "left_out": dict(group.num_left_out),
        "abstentions": group.num_abstentions,
    }
    (output_dir / "run.json").write_text(json.dumps(run, indent=2))


def train_record_level(gan, group, config, output_dir):
    """Every update is on records of all clients; see `FlowerRecords`."""
    records = record_level.FlowerRecords(
        gan,
        group,
        config["expected-batch-size"],
        steps_per_epoch=min(50, config["rounds"]),
    )
    with privacy.Ledger(output_dir / "ledger", "federated digits") as ledger:
        gan.fit(
            records,
            epochs=config["rounds"] // len(records),
            ledger=ledger,
            verbose=2,
            callbacks=[callbacks.EpsilonTracker(delta=config["delta"])],
        )
