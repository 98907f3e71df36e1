"""Training by several workers."""

from keras_dpgan.distribution.workers import is_chief as is_chief
