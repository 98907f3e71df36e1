"""Generative adversarial networks with differential privacy, for Keras 3."""

import typing

from keras_dpgan import _backend as _backend
from keras_dpgan import _lazy
from keras_dpgan import callbacks as callbacks
from keras_dpgan import clipping as clipping
from keras_dpgan import data as data
from keras_dpgan import export as export
from keras_dpgan import lipschitz as lipschitz
from keras_dpgan import losses as losses
from keras_dpgan import mechanisms as mechanisms
from keras_dpgan import mixture as mixture
from keras_dpgan import models as models
from keras_dpgan import optimizers as optimizers
from keras_dpgan import privacy as privacy
from keras_dpgan import recipes as recipes
from keras_dpgan import tables as tables
from keras_dpgan import workers as workers
from keras_dpgan._version import __version__ as __version__
from keras_dpgan.discriminator_schedule import (
    AdaptiveDiscriminatorSteps as AdaptiveDiscriminatorSteps,
)
from keras_dpgan.dpgan import DPGAN as DPGAN
from keras_dpgan.lipschitz import GradientPenalty as GradientPenalty
from keras_dpgan.lipschitz import WeightClipping as WeightClipping

if typing.TYPE_CHECKING:
    from keras_dpgan import evaluation as evaluation
    from keras_dpgan import federated as federated
else:
    __getattr__, __dir__ = _lazy.submodules(__name__, ("evaluation", "federated"))
