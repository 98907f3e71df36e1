"""What each worker does in `test_workers`: `worker.py FOLDER MODE`."""

import hashlib
import json
import pathlib
import sys
import time

import helpers
import keras
import tensorflow as tf

from keras_dpgan import privacy
from keras_dpgan.callbacks import EpsilonTracker
from keras_dpgan.callbacks import ResumableFit
from keras_dpgan.data import PoissonDataset
from keras_dpgan.distribution import workers

UPDATES = 30
BLOCK = 5


class Pause(keras.callbacks.Callback):
    """Waits after an update, to be killed."""

    def __init__(self, file, updates):
        super().__init__()
        self.file = file
        self.updates = updates

    def on_train_batch_end(self, batch, logs=None):
        if self.model.num_discriminator_updates == self.updates:
            self.file.touch()
            time.sleep(600)


def make_gan(strategy, noise_multiplier=0.0, **arguments):
    keras.utils.set_random_seed(0)
    with strategy.scope():
        return helpers.make_gan(
            d_optimizer=helpers.make_d_optimizer(
                noise_multiplier, insecure_noise_seed=0
            ),
            **arguments,
        )


def train(strategy, folder, pause_at):
    """Trains without noise, to the end or until it is killed."""
    gan = make_gan(strategy)
    data = PoissonDataset(
        *helpers.make_data(), expected_batch_size=12, steps_per_epoch=10, seed=7
    )
    callbacks = [ResumableFit(folder / "run"), EpsilonTracker()]
    if pause_at:
        callbacks.append(Pause(folder / "paused", pause_at))
    ledger = None
    if workers.is_chief(strategy):
        ledger = privacy.Ledger(folder / "ledger", "toys", BLOCK)
    gan.fit(data, epochs=3, verbose=0, ledger=ledger, callbacks=callbacks)
    digest = hashlib.sha256()
    for weight in gan.discriminator.weights + gan.generator.trainable_variables:
        digest.update(weight.numpy().tobytes())
    return {
        "updates": gan.num_discriminator_updates,
        "history": gan.privacy_history.total_updates,
        "resumed": gan.privacy_record.num_resumed,
        "weights": digest.hexdigest(),
    }


def errors(strategy, folder):
    """The errors of arguments that do not fit, by their names."""
    index = strategy.cluster_resolver.task_id
    x, y = helpers.make_data()
    gan = make_gan(strategy)
    found = {}

    def fit(name, gan=gan, x=x, y=y, **arguments):
        try:
            gan.fit(x, y, verbose=0, **arguments)
        except ValueError as error:
            found[name] = str(error)

    fit("batch_size", batch_size=10 + index)
    fit("noise", make_gan(strategy, noise_multiplier=1.0 + index))
    fit("records", x=x[index:], y=y[index:])
    batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(12, drop_remainder=True)
    fit("data", x=batches, y=None)
    with strategy.scope():
        fit("scope")
    if not workers.is_chief(strategy):
        fit("ledger", ledger=privacy.Ledger(folder / "ledger", "toys"))
    return found


def main(folder, mode, *arguments):
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    folder = pathlib.Path(folder)
    if mode == "errors":
        result = errors(strategy, folder)
    else:
        victim, updates = map(int, arguments)
        is_victim = strategy.cluster_resolver.task_id == victim
        result = train(strategy, folder, updates if is_victim else 0)
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
