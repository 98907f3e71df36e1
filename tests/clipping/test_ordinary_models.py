"""Nobody who writes ordinary Keras layers is sent to the slow engine."""

import keras
import pytest
import single_records
import tensorflow as tf
from clipping.ordinary_models import MODELS

from keras_dpgan.clipping.ghost import RecordedPass
from keras_dpgan.losses.gradient_penalty import GradientPenalty

# A part of each update beyond the first derivative, which uses other operations.
PENALTY = GradientPenalty(3.0)

# TensorFlow has no second derivative of `softsign`, and what a penalty's second
# derivative does not reach is taken for a use that was not seen.
WITHOUT_PENALTY = {"activations", "labels"}

# They use weights outside of a layer with a rule, so that each record's gradient is
# computed by itself.
BY_RECORD = {"convolution at each time", "low rank", "tied", "time distributed"}


@pytest.mark.parametrize("name", MODELS)
def test_an_ordinary_model_keeps_its_engine(name):
    model = MODELS[name]()
    rows, *labels = getattr(model, "inputs", None) or [keras.Input((8,))]
    records = single_records.make_records(3, rows.shape[1:])
    if labels:
        records["labels"] = tf.constant([0, 1, 2])
    penalty = None if name in WITHOUT_PENALTY else PENALTY
    loss_fn = single_records.wasserstein(model, penalty)
    problems = []

    @tf.function(reduce_retracing=True)
    def trace(records):
        seed = tf.constant([1, 2], tf.int64)
        recorded = RecordedPass(loss_fn, model.trainable_variables, records, seed)
        problems.append(recorded.problem)

    specs = tf.nest.map_structure(
        lambda t: tf.TensorSpec((None, *t.shape[1:]), t.dtype), records
    )
    trace.get_concrete_function(specs)
    if name in BY_RECORD:
        assert "used elsewhere" in problems[0]
    else:
        assert problems == [None]
