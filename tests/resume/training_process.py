"""What the processes do that `test_kill` kills."""

import hashlib
import json
import os

import helpers
import keras

from keras_dpgan import privacy
from keras_dpgan.callbacks import ResumableFit
from keras_dpgan.data import PoissonDataset

EPOCHS = 6
UPDATES = 60
BLOCK = 5


class Witness(keras.callbacks.Callback):
    """Writes one byte for each update, where a kill cannot take it back."""

    def __init__(self, path, events):
        super().__init__()
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.events = events
        self.seen = None

    def on_train_begin(self, logs=None):
        self.events["begun"].set()

    def on_epoch_begin(self, epoch, logs=None):
        if self.seen is None:
            self.seen = self.model.num_discriminator_updates

    def on_train_batch_end(self, batch, logs=None):
        made = self.model.num_discriminator_updates
        os.write(self.file, b"u" * (made - self.seen))
        self.seen = made
        self.events["first update"].set()


def train(folder, noise_multiplier, events):
    """Trains until it is killed, or to the end; then writes what came out."""
    # Weights and fakes are those of every other call; noise and, where there is
    # noise, sampling are not.
    keras.utils.set_random_seed(0)
    # Without noise, all that is drawn can be repeated.
    insecure, seed = (None, None) if noise_multiplier else (0, 7)
    gan = helpers.make_gan(
        d_optimizer=helpers.make_d_optimizer(
            noise_multiplier, insecure_noise_seed=insecure
        )
    )
    data = PoissonDataset(*helpers.make_data(), expected_batch_size=12, seed=seed)
    # First of all: it has to see an update before anything else is done about it.
    callbacks = [Witness(f"{folder}/witness", events), ResumableFit(f"{folder}/run")]
    with privacy.Ledger(f"{folder}/ledger", "toys", BLOCK) as ledger:
        gan.fit(data, epochs=EPOCHS, verbose=0, ledger=ledger, callbacks=callbacks)
    digest = hashlib.sha256()
    for weight in gan.discriminator.weights + gan.generator.weights:
        digest.update(weight.numpy().tobytes())
    result = {
        "updates": gan.num_discriminator_updates,
        "history": gan.privacy_history.total_updates,
        "epsilon": gan.epsilon(1e-5, accountant="rdp"),
        "weights": digest.hexdigest(),
    }
    with open(f"{folder}/result", "w") as file:
        json.dump(result, file)
