"""The gradient of a network by its input, in a form that engines can follow."""

import contextlib
import threading

import tensorflow as tf

_current = threading.local()


@contextlib.contextmanager
def recorder_scope(recorder):
    """A scope in which every `InputGradientTape` reports to `recorder`."""
    before = getattr(_current, "recorder", None)
    _current.recorder = recorder
    try:
        yield recorder
    finally:
        _current.recorder = before


class InputGradientTape:
    """A gradient by a network's input that can be differentiated once more.

    Gradient penalties use it instead of a plain `tf.GradientTape`, so that an
    engine which computes norms without gradients sees both uses of a weight:
    in the forward pass, and in the backward pass that makes the input gradient.
    The rows whose slope is wanted go through the network in a call of their own:
    rows that only sit beside them would go through the backward pass, too.

    ```python
    with dpgan.clipping.input_gradient.InputGradientTape() as tape:
        tape.watch(interpolates)
        total = tf.reduce_sum(discriminator(interpolates))
    slopes = tape.gradient(total, interpolates)
    ```
    """

    def __init__(self):
        self._recorder = getattr(_current, "recorder", None)
        self._tape = tf.GradientTape(watch_accessed_variables=False)

    def __enter__(self):
        self._tape.__enter__()
        return self

    def __exit__(self, *exc_info):
        return self._tape.__exit__(*exc_info)

    def watch(self, tensor):
        """Makes `tensor` one that `gradient` can be asked for."""
        self._tape.watch(tensor)

    def gradient(self, target, source):
        """The gradient of `target` by `source`.

        Args:
            target: Scalar tensor: a sum of scores, each of which depends on its
                own row alone.
            source: A watched tensor, or a list of them.

        Returns:
            A tensor of the shape of `source`, or a list of them.
        """
        if self._recorder is None:
            return self._tape.gradient(target, source)
        with self._recorder.input_gradient():
            return self._tape.gradient(target, source)
