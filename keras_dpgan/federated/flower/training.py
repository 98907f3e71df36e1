"""Rounds in which clients move the discriminator and the server the generator."""

import contextlib
import secrets

import keras
import tensorflow as tf

from keras_dpgan._utils import validate
from keras_dpgan.federated.run_directory import LOST
from keras_dpgan.federated.run_directory import RunDirectory
from keras_dpgan.sampling import randomness
from keras_dpgan.sampling.randomness import PublicDraws


def train_rounds(
    gan,
    source,
    rounds,
    generator_steps,
    batch_size,
    directory=None,
    on_round=None,
    verbose=1,
):
    """Trains a GAN whose discriminator comes from clients.

    ```python
    flower = dpgan.federated.flower
    source = flower.local_records.LocalRecords(
        gan, group, local_batch_size=16, local_updates=5)
    flower.training.train_rounds(
        gan, source, 100, generator_steps=5, batch_size=128, directory="run")
    ```

    Args:
        gan: A compiled `DPGAN`.
        source: One of the modes, with a method `next_weights(number, d_weights,
            g_weights)` that returns the discriminator's new weights, or `None`
            where too few clients have answered, and with `entry`, the
            `privacy.HistoryEntry` of what one round costs.
        rounds: Int, the rounds of the run, those made before a kill included.
        generator_steps: Int, the generator's steps after each round. They see no
            record and cost nothing.
        batch_size: Int, the rows of such a step.
        directory: Where the run is kept; made where there is none. A server that
            is killed and runs the same once more goes on after the last round that
            it has begun, from the checkpoint of the last that has ended. Rounds
            whose result is lost are charged. Defaults to `None`: the run cannot go
            on.
        on_round: Function of a round's number and of its result, called after
            each. Defaults to `None`.
        verbose: 0 for no progress bar. Defaults to 1.

    Returns:
        List of a dict for each round, from the first of the run: `opened`, whether
        enough clients have answered, and `g_loss`, the generator's loss, or `None`
        where there is none. Rounds that were not opened are charged like others:
        what clients sent, the server has seen.

    Raises:
        ValueError: If what `directory` has is of another model or mechanism.
    """
    validate.check_int("rounds", rounds, minimum=1)
    validate.check_int("generator_steps", generator_steps, minimum=0)
    gan.privacy_record.open(source.entry.with_count(0))
    play = _Round(gan, source, generator_steps, batch_size)
    progress = keras.utils.Progbar(rounds, verbose=verbose, unit_name="round")
    with _run_of(gan, source.entry, directory) as run:
        while len(run.results) < rounds:
            # On record before clients answer.
            number = run.begin()
            gan.privacy_record.num_discriminator_updates.assign_add(source.entry.count)
            result = play(number)
            run.end(number, result)
            loss = result["g_loss"]
            progress.update(number + 1, [] if loss is None else [("g_loss", loss)])
            if on_round is not None:
                on_round(number, result)
        return run.results


def _run_of(gan, entry, directory):
    if directory is None:
        return contextlib.nullcontext(_NotKept())
    return RunDirectory(directory, gan, entry)


class _Round:
    """One round, as a function of its number."""

    def __init__(self, gan, source, generator_steps, batch_size):
        self._gan, self._source = gan, source
        self._generator_steps = generator_steps
        self._step = _generator_step(gan, batch_size)

    def __call__(self, number):
        variables = self._gan.discriminator.trainable_variables
        weights = [v.numpy() for v in variables]
        g_weights = self._gan.generator.get_weights()
        new = self._source.next_weights(number, weights, g_weights)
        if new is None:
            return dict(LOST)
        for variable, value in zip(variables, new, strict=True):
            variable.assign(value)
        first = number * self._generator_steps
        g_loss = None
        for place in range(first, first + self._generator_steps):
            g_loss = float(self._step(tf.constant(place, tf.int64)))
        return {"opened": True, "g_loss": g_loss}


class _NotKept:
    """The place of a run without a directory."""

    def __init__(self):
        self.results = []

    def begin(self):
        return len(self.results)

    def end(self, number, result):
        self.results.append(result)


def _generator_step(gan, batch_size):
    """A step of the generator on its own, as a function of its number."""
    seed = secrets.randbelow(2**31)

    @tf.function
    def step(number):
        draws = PublicDraws(seed, number, randomness.GENERATOR)
        g_loss, *_ = gan.training_step.update_generator(batch_size, draws)
        return g_loss

    return step
