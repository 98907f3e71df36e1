"""Rounds in which clients move the discriminator and the server the generator."""

import secrets

import tensorflow as tf

from keras_dpgan import _validate
from keras_dpgan import randomness
from keras_dpgan.randomness import PublicDraws


def train_rounds(
    gan, source, rounds, generator_steps, batch_size, on_round=None, log=None
):
    """Trains a GAN whose discriminator comes from clients.

    Args:
        gan: A compiled `DPGAN`.
        source: One of the modes, with a method `next_weights(number, d_weights,
            g_weights)` that returns the discriminator's new weights, or `None`
            where too few clients have answered, and with `entry`, the
            `privacy.HistoryEntry` of what one round costs.
        rounds: Int, the rounds of the run, those in `log` included.
        generator_steps: Int, the generator's steps after each round. They see no
            record and cost nothing.
        batch_size: Int, the rows of such a step.
        on_round: Function of the round's number and the generator's loss, called
            after each. Defaults to `None`. Whoever saves the model in it can go
            on from there.
        log: The `RoundLog` of the run, by which a server that comes back goes on
            after the last round that was begun. Rounds whose result is lost are
            charged. Defaults to `None`.

    Returns:
        Int, the number of rounds in which too few clients have answered. They
        are charged like others: what clients sent, the server has seen.
    """
    _validate.check_int("rounds", rounds, minimum=1)
    _validate.check_int("generator_steps", generator_steps, minimum=0)
    record = gan.privacy_record
    record.open(source.entry.with_count(0))
    variables = gan.discriminator.trainable_variables
    step = _generator_step(gan, batch_size)
    lost = 0
    first = 0 if log is None else log.begun
    _count_begun(record, first * source.entry.count)
    for number in range(first, rounds):
        # On record before clients answer.
        if log is not None:
            log.begin()
        record.num_discriminator_updates.assign_add(source.entry.count)
        weights = [v.numpy() for v in variables]
        new = source.next_weights(number, weights, gan.generator.get_weights())
        if new is None:
            lost += 1
            continue
        for variable, value in zip(variables, new, strict=True):
            variable.assign(value)
        losses = [
            step(tf.constant(number * generator_steps + i, tf.int64))
            for i in range(generator_steps)
        ]
        if on_round is not None:
            on_round(number, float(losses[-1]) if losses else None)
    return lost


def _count_begun(record, begun):
    """Counts updates that a server before this one has begun, and maybe lost."""
    counted = int(record.num_discriminator_updates.numpy())
    record.num_discriminator_updates.assign(max(counted, begun))


def _generator_step(gan, batch_size):
    """A step of the generator on its own, as a function of its number."""
    seed = secrets.randbelow(2**31)

    @tf.function
    def step(number):
        draws = PublicDraws(seed, number, randomness.GENERATOR)
        g_loss, *_ = gan.training_step.update_generator(batch_size, draws)
        return g_loss

    return step
