"""Keras callbacks for private training."""

from keras_dpgan.callbacks.epsilon_tracker import EpsilonTracker as EpsilonTracker
