"""Generative adversarial networks with differential privacy, for Keras 3."""

import typing

from keras_dpgan._utils import backend as _backend  # noqa: F401

# isort: split
# What is above this line runs before TensorFlow is loaded.
from keras_dpgan import callbacks as callbacks
from keras_dpgan import clipping as clipping
from keras_dpgan import critics as critics
from keras_dpgan import data as data
from keras_dpgan import distribution as distribution
from keras_dpgan import export as export
from keras_dpgan import features as features
from keras_dpgan import losses as losses
from keras_dpgan import mechanisms as mechanisms
from keras_dpgan import mixture as mixture
from keras_dpgan import models as models
from keras_dpgan import optimizers as optimizers
from keras_dpgan import privacy as privacy
from keras_dpgan import recipes as recipes
from keras_dpgan import tables as tables
from keras_dpgan._utils import lazy as _lazy
from keras_dpgan._utils import old_paths as _old_paths
from keras_dpgan._version import __version__ as __version__
from keras_dpgan.gan.discriminator_steps import (
    AdaptiveDiscriminatorSteps as AdaptiveDiscriminatorSteps,
)
from keras_dpgan.gan.dpgan import DPGAN as DPGAN
from keras_dpgan.losses import GradientPenalty as GradientPenalty
from keras_dpgan.losses import WeightClipping as WeightClipping

_old_paths.install()

if typing.TYPE_CHECKING:
    from keras_dpgan import evaluation as evaluation
    from keras_dpgan import federated as federated
else:
    __getattr__, __dir__ = _lazy.submodules(
        __name__, ("evaluation", "federated"), _old_paths
    )
