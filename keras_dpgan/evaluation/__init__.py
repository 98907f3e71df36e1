"""Is generated data any good, and does it leak.

Evaluation reads private rows: none of its numbers is private.
"""

from keras_dpgan.evaluation.classifiers import (
    classifier_accuracy as classifier_accuracy,
)
from keras_dpgan.evaluation.classifiers import train_classifier as train_classifier
