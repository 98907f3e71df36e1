"""Where a server keeps a run of rounds, to go on with it after a kill."""

import contextlib
import os

from keras_dpgan.federated.round_log import RoundLog
from keras_dpgan.gan import checkpoint

# Of a round that too few have answered, or whose result a kill has lost.
LOST = {"opened": False, "g_loss": None}


class RunDirectory:
    """A log of the rounds, and a checkpoint of the last that has ended.

    Args:
        directory: Made where there is none.
        gan: The compiled `DPGAN`. It gets the weights of the checkpoint, if there
            is one, and counts every round that was begun.
        entry: The `privacy.HistoryEntry` of a round, with its count.

    Attributes:
        results: List of the results of all rounds that were begun.

    Raises:
        ValueError: If the directory has another model's run, or one with another
            entry.
    """

    def __init__(self, directory, gan, entry):
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self._path = os.path.join(directory, "checkpoint.weights.h5")
        self._gan, self._facts = gan, checkpoint.facts_of(gan)
        self._log = RoundLog(os.path.join(directory, "rounds"), entry)
        with contextlib.ExitStack() as on_error:
            on_error.callback(self._log.close)
            if os.path.exists(self._path):
                checkpoint.load(self._path, gan, self._facts)
            on_error.pop_all()
        begun = range(self._log.begun)
        self.results = [self._log.results.get(n, dict(LOST)) for n in begun]
        counted = gan.privacy_record.num_discriminator_updates
        counted.assign(max(int(counted.numpy()), len(begun) * entry.count))

    def begin(self):
        """Enters a round; returns its number, from 0."""
        return self._log.begin()

    def end(self, number, result):
        """Keeps the model as it is, and what the round has come to."""
        checkpoint.save(self._path, self._gan, self._facts, epoch=number + 1, step=0)
        self._log.end(number, result)
        self.results.append(result)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._log.close()
