"""DP Keras optimizers: a mechanism driving any Keras optimizer."""

from keras_dpgan.optimizers.dp_optimizer import DPOptimizer as DPOptimizer
from keras_dpgan.optimizers.keras_optimizers import (
    DPKerasAdagradOptimizer as DPKerasAdagradOptimizer,
)
from keras_dpgan.optimizers.keras_optimizers import (
    DPKerasAdamOptimizer as DPKerasAdamOptimizer,
)
from keras_dpgan.optimizers.keras_optimizers import (
    DPKerasRMSpropOptimizer as DPKerasRMSpropOptimizer,
)
from keras_dpgan.optimizers.keras_optimizers import (
    DPKerasSGDOptimizer as DPKerasSGDOptimizer,
)
