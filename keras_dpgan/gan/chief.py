"""What the other workers receive from the chief before they train together."""

import os
import tempfile

import keras

from keras_dpgan.distribution import workers
from keras_dpgan.gan import checkpoint


class FollowChief(keras.callbacks.Callback):
    """Gives each worker the weights, the history and the place of the chief.

    The chief alone has ledger and checkpoint. It comes last, so that what other
    callbacks restore in the chief is restored everywhere.
    """

    def on_train_begin(self, logs=None):
        strategy = self.model.distribute_strategy
        facts = checkpoint.facts_of(self.model)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "chief.weights.h5")
            if workers.is_chief(strategy):
                self.model.session.open_entry()
                checkpoint.save(path, self.model, facts, *self.model.session.place)
                with open(path, "rb") as file:
                    workers.broadcast(strategy, file.read())
                return
            with open(path, "wb") as file:
                file.write(workers.broadcast(strategy, b""))
            self.model.privacy_record.follow_chief()
            place = checkpoint.load(path, self.model, facts)
        self.model.session.resume_at(*place)
