"""What was traced in a parent does not draw the same noise in its children.

TensorFlow's own functions hang in a child of a process that has used them; those that
XLA has compiled run, and go on from the state that they have found.
"""

import multiprocessing

import helpers
import pytest
import tensorflow as tf

from keras_dpgan.mechanisms import noise


@pytest.fixture
def traced():
    """A function that was traced, compiled and run before the fork."""

    @tf.function(jit_compile=True)
    def draw():
        return noise.process_stream().normal([(4,)])[0]

    draw()
    return draw


def in_a_child(function):
    global _function
    _function = function  # A forked child has it; to send it would not work.
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply_async(_run).get(timeout=60)


def _run():
    return _function().numpy().tobytes()


def test_children_draw_noise_of_their_own_with_what_their_parent_has_traced(traced):
    def draw():
        noise.renew_after_fork()
        return traced()

    drawn = {in_a_child(draw) for _ in range(2)}
    assert len(drawn | {traced().numpy().tobytes()}) == 3
    # What it is for: without it the children are each other's copies.
    assert in_a_child(traced) == in_a_child(traced)


def test_fit_renews_what_a_fork_has_left_before_it_runs_a_step(monkeypatch):
    class Stream:
        steps_when_renewed = []

        def renew(self):
            self.steps_when_renewed.append(gan.num_discriminator_updates)

    gan = helpers.make_gan()
    monkeypatch.setattr(noise, "_inherited", [Stream()])
    gan.fit(*helpers.make_data(), batch_size=12, steps_per_epoch=2, verbose=0)
    assert Stream.steps_when_renewed == [0]
