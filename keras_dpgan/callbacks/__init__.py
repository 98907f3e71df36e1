"""Keras callbacks for private training."""

from keras_dpgan.callbacks.epsilon_tracker import EpsilonTracker as EpsilonTracker
from keras_dpgan.callbacks.grid import sample_grid as sample_grid
from keras_dpgan.callbacks.resumable_fit import ResumableFit as ResumableFit
from keras_dpgan.callbacks.sample_logger import SampleLogger as SampleLogger
from keras_dpgan.callbacks.tensorboard_samples import (
    TensorBoardSamples as TensorBoardSamples,
)
