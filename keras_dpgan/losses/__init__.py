"""The losses of a GAN, and two ways to bound the slope of its discriminator."""

from keras_dpgan.losses.adversarial import AdversarialLoss as AdversarialLoss
from keras_dpgan.losses.adversarial import Hinge as Hinge
from keras_dpgan.losses.adversarial import LeastSquares as LeastSquares
from keras_dpgan.losses.adversarial import Minimax as Minimax
from keras_dpgan.losses.adversarial import NonSaturating as NonSaturating
from keras_dpgan.losses.adversarial import Wasserstein as Wasserstein
from keras_dpgan.losses.adversarial import get as get
from keras_dpgan.losses.adversarial import resolve as resolve
from keras_dpgan.losses.gradient_penalty import GradientPenalty as GradientPenalty
from keras_dpgan.losses.weight_clipping import WeightClipping as WeightClipping
