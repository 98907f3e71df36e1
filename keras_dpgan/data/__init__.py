"""Data sets that draw batches at random, and loaders of public data."""

from keras_dpgan.data.allocation import AllocationDataset as AllocationDataset
from keras_dpgan.data.checks import check_records as check_records
from keras_dpgan.data.digits import load_digits as load_digits
from keras_dpgan.data.fashion_mnist import load_fashion_mnist as load_fashion_mnist
from keras_dpgan.data.idx import read_idx as read_idx
from keras_dpgan.data.image_directory import (
    load_image_directory as load_image_directory,
)
from keras_dpgan.data.label_prior import private_label_prior as private_label_prior
from keras_dpgan.data.poisson import PoissonDataset as PoissonDataset
from keras_dpgan.data.scaling import scale_to_range as scale_to_range
from keras_dpgan.data.scaling import to_uint8 as to_uint8
from keras_dpgan.data.tfds import load_tfds as load_tfds
from keras_dpgan.data.tfds_writer import write_tfds as write_tfds
