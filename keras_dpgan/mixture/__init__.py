"""A private mixture of Gaussians per label: where a generator may start."""

from keras_dpgan.mixture.class_mixture import ClassMixture as ClassMixture
from keras_dpgan.mixture.fitting import mixture_entry as mixture_entry
from keras_dpgan.mixture.fitting import private_class_mixture as private_class_mixture
from keras_dpgan.mixture.moment_sums import GroupMoments as GroupMoments
from keras_dpgan.mixture.moment_sums import MomentSums as MomentSums
from keras_dpgan.mixture.plan import MixturePlan as MixturePlan
