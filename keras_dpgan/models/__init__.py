"""Small networks for a start; the discriminators can be trained privately."""

from keras_dpgan.models.image_discriminator import (
    image_discriminator as image_discriminator,
)
from keras_dpgan.models.image_generator import image_generator as image_generator
from keras_dpgan.models.labels import ConcatenatePlanes as ConcatenatePlanes
from keras_dpgan.models.labels import OneHotLabels as OneHotLabels
from keras_dpgan.models.mixture_generator import ClassMixtureLayer as ClassMixtureLayer
from keras_dpgan.models.mixture_generator import RefinedPixels as RefinedPixels
from keras_dpgan.models.mixture_generator import mixture_generator as mixture_generator
from keras_dpgan.models.output_range import output_range as output_range
from keras_dpgan.models.vector import vector_discriminator as vector_discriminator
from keras_dpgan.models.vector import vector_generator as vector_generator
