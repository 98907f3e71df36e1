"""The gradient of a network by its input, in a form that engines can follow."""

import contextlib
import threading

import tensorflow as tf

_current = threading.local()


@contextlib.contextmanager
def recorder_scope(recorder):
    """Within it, every `InputGradientTape` asks `recorder` for its gradients."""
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

    ```python
    with InputGradientTape() as tape:
        tape.watch(interpolates)
        scores = discriminator(tf.concat([real, fake, interpolates], 0))
        total = tf.reduce_sum(scores[2 * n:])
    slopes = tape.gradient(total, interpolates, rows=n)
    ```
    """

    def __init__(self):
        self._recorder = getattr(_current, "recorder", None)
        self._tape = tf.GradientTape(watch_accessed_variables=False)

    def __enter__(self):
        self._tape.__enter__()
        if self._recorder is not None:
            self._recorder.enter_input_gradient(self._tape)
        return self

    def __exit__(self, *exc_info):
        if self._recorder is not None:
            self._recorder.exit_input_gradient(self._tape)
        return self._tape.__exit__(*exc_info)

    def watch(self, tensor):
        """Makes `tensor` one that `gradient` can be asked for."""
        self._tape.watch(tensor)

    def gradient(self, target, source, rows=None):
        """The gradient of `target` by `source`.

        Args:
            target: Scalar tensor: the sum of the outputs of some rows.
            source: The watched tensor.
            rows: Python int or int32 scalar tensor: only the last `rows` rows
                of each layer call inside the tape contribute to `target`.
                `None` when all of them do. A hint that saves work; a wrong
                one gives wrong norms.

        Returns:
            A tensor of the shape of `source`.
        """
        if self._recorder is None:
            return self._tape.gradient(target, source)
        return self._recorder.input_gradient(self._tape, target, source, rows)
