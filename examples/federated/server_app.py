"""What the server does: `flwr run`, or simulate.py, starts it."""

import json
import pathlib
import time

import numpy as np
import task
from flwr.serverapp import ServerApp

from keras_dpgan import callbacks
from keras_dpgan import data
from keras_dpgan import privacy
from keras_dpgan.callbacks import grid as grid_of
from keras_dpgan.federated import keys
from keras_dpgan.federated.flower.client_updates import ClientUpdates
from keras_dpgan.federated.flower.encrypted_sums import EncryptedSums
from keras_dpgan.federated.flower.encrypted_sums import split_off_key_holder
from keras_dpgan.federated.flower.group import ClientGroup
from keras_dpgan.federated.flower.hidden_records import HiddenRecords
from keras_dpgan.federated.flower.hidden_updates import HiddenUpdates
from keras_dpgan.federated.flower.local_records import LocalRecords
from keras_dpgan.federated.flower.masked_sums import MaskedSums
from keras_dpgan.federated.flower.record_level import FlowerRecords
from keras_dpgan.federated.flower.training import train_rounds
from keras_dpgan.federated.round_log import RoundLog

app = ServerApp()


@app.main()
def main(grid, context):
    config = task.config_of(context)
    began = time.monotonic()
    output_dir = pathlib.Path(config["output-dir"])
    output_dir.mkdir(parents=True, exist_ok=True)
    few = {"max_in_flight": 16} if "simulated-clients" in config else {}
    if config["mode"] in task.MODES_WITH_KEY_HOLDER:
        holder_key = (folder_of_keys(config) / "holder.verifying").read_bytes()
        group, holder = split_off_key_holder(
            grid, config["num-clients"], holder_key, **few
        )
    else:
        group, holder = ClientGroup(grid, config["num-clients"], **few), None
    gan = task.make_gan(config, discriminator_steps=config["discriminator-steps"])
    if config["mode"] == "record-level":
        run = train_record_level(gan, group, config, output_dir)
    elif config["mode"] in task.MODES_OF_HIDDEN_RECORDS:
        run = train_hidden_records(gan, group, holder, config, output_dir)
    else:
        run = train_by_rounds(gan, group, holder, config, output_dir)
    statement = gan.privacy_statement(config["delta"])
    (output_dir / "privacy.txt").write_text(str(statement))
    run |= {
        "unit": statement.history.unit,
        "epsilon": statement.epsilon if statement.has_guarantee else None,
        "seconds": time.monotonic() - began,
        "accuracy": task.accuracy(gan, *data.load_digits()[1]),
        "left_out": dict(group.num_left_out),
        "left_out_nodes": {str(n): dict(of) for n, of in group.left_out.items()},
        "abstentions": group.num_abstentions,
        "config": config,
    }
    gan.save(output_dir / "gan.keras")
    labels = np.repeat(np.arange(10), 10)
    images, _ = gan.sample(len(labels), labels, seed=0)
    grid_of.sample_grid(images, labels).save(output_dir / "samples.png")
    (output_dir / "run.json").write_text(json.dumps(run, indent=2))
    print(json.dumps({k: v for k, v in run.items() if k != "config"}, indent=2))


def train_record_level(gan, group, config, output_dir):
    """Every update is on records of all clients; see `FlowerRecords`."""
    records = FlowerRecords(
        gan,
        group,
        config["expected-batch-size"],
        steps_per_epoch=min(50, config["rounds"]),
    )
    return fit(gan, records, config, output_dir)


def train_hidden_records(gan, group, holder, config, output_dir):
    """The same, with a server that sees noised sums alone; see `HiddenRecords`."""
    mechanism = task.mechanism_of(config)
    with RoundLog(output_dir / "rounds", mechanism.entry) as log:
        records = HiddenRecords(
            gan,
            hidden_sums(group, holder, mechanism, config),
            mechanism,
            task.num_records(),
            steps_per_epoch=min(50, config["rounds"]),
            log=log,
        )
        run = fit(gan, records, config, output_dir)
    return {**run, "lost_rounds": records.num_unopened}


def fit(gan, records, config, output_dir):
    """All rounds, entered in a ledger before they are made.

    Whoever is killed goes on from the last checkpoint when it is started again.
    """
    # A round takes seconds: each is reserved alone, so that a kill costs one.
    path, name = output_dir / "ledger", "federated digits"
    with privacy.Ledger(path, name, block_size=1) as ledger:
        history = gan.fit(
            records,
            epochs=config["rounds"] // len(records),
            ledger=ledger,
            verbose=2,
            callbacks=[
                callbacks.EpsilonTracker(delta=config["delta"]),
                callbacks.ResumableFit(output_dir / "checkpoint"),
            ],
        ).history
    return {
        "rounds": gan.num_discriminator_updates,
        "g_loss": history.get("g_loss", []),
    }


def folder_of_keys(config):
    """Public keys of the clients and the key holder; in trials, beside the output."""
    return pathlib.Path(config["keys"] or pathlib.Path(config["output-dir"], "keys"))


def hidden_sums(group, holder, mechanism, config):
    """Sums under masks and, where there is a key holder, encrypted for it, too."""
    folder = folder_of_keys(config)
    registry = keys.load_registry(folder)
    if holder is None:
        return MaskedSums(group, mechanism, registry)
    context = (folder / "public.context").read_bytes()
    return EncryptedSums(group, mechanism, registry, holder, context)


def train_by_rounds(gan, group, holder, config, output_dir):
    """In each round clients train for themselves; see the classes of the modes."""
    mode = config["mode"]
    mechanism = task.mechanism_of(config)
    if mode == "local-records":
        source = LocalRecords(
            gan, group, config["local-batch-size"], config["local-updates"]
        )
    elif mode == "local-clients":
        source = ClientUpdates(group, mechanism)
    elif mode in ("masked-sums", "encrypted-sums"):
        sums = hidden_sums(group, holder, mechanism, config)
        source = HiddenUpdates(sums, mechanism)
    else:
        raise ValueError(f"`mode` is unknown. Received: mode={mode!r}")
    results = train_rounds(
        gan,
        source,
        config["rounds"],
        config["generator-steps"],
        int(config["expected-batch-size"]),
        directory=output_dir / "checkpoint",
    )
    return {
        "rounds": config["rounds"],
        "lost_rounds": sum(not result["opened"] for result in results),
        "g_loss": [result["g_loss"] for result in results],
    }
