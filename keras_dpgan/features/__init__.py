"""Features of rows that were never fitted to anything, and so are public."""

from keras_dpgan.features.random_features import RandomFeatures as RandomFeatures
from keras_dpgan.features.scattering import Scattering as Scattering
