"""DP versions of Keras optimizers, with TensorFlow Privacy's names."""

import typing

import keras

from keras_dpgan.optimizers.dp_optimizer import DPOptimizer

_REST_OF_DOC = """
    Source: the class of this name in TensorFlow Privacy; Abadi et al. 2016, "Deep
    Learning with Differential Privacy", algorithm 1.

    Examples:
        >>> optimizer = dpgan.optimizers.{name}(
        ...     l2_norm_clip=1.0, noise_multiplier=0.6, learning_rate=1e-3
        ... )
        >>> optimizer.noise_multiplier
        0.6

    Args:
        l2_norm_clip: Positive float. The largest L2 norm of one record's
            gradient over all variables together.
        noise_multiplier: Non-negative float: the noise's standard deviation on
            the sum is `noise_multiplier * l2_norm_clip`.
        num_microbatches: Must be `None`, because each record is clipped by itself.
        dp_sum_query: Instead of the two numbers; see `DPOptimizer`.
        noise_source: `"default"` or `"secure"`; see `DPOptimizer`.
        insecure_noise_seed: Int or `None`; see `DPOptimizer`.
        **kwargs: The arguments of `keras.optimizers.{inner}`.
"""


class _FlatDPOptimizer(DPOptimizer):
    """A `DPOptimizer` that also takes the arguments of its inner optimizer."""

    inner_class: typing.Any = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "inner_class" in vars(cls):
            rest = _REST_OF_DOC.format(
                name=cls.__name__, inner=cls.inner_class.__name__
            )
            cls.__doc__ = f"{cls.__doc__}\n{rest}"

    def __init__(
        self,
        l2_norm_clip: float | None = None,
        noise_multiplier: float | None = None,
        num_microbatches: int | None = None,
        dp_sum_query: typing.Any = None,
        noise_source: str = "default",
        insecure_noise_seed: int | None = None,
        name: str | None = None,
        **kwargs: typing.Any,
    ) -> None:
        super().__init__(
            self.inner_class(**kwargs),
            l2_norm_clip=l2_norm_clip,
            noise_multiplier=noise_multiplier,
            dp_sum_query=dp_sum_query,
            num_microbatches=num_microbatches,
            noise_source=noise_source,
            insecure_noise_seed=insecure_noise_seed,
            name=name,
        )

    def get_config(self) -> dict[str, typing.Any]:
        inner = self.inner_optimizer.get_config()
        del inner["name"]
        return {"name": self.name, **inner, **self._mechanism_config()}

    @classmethod
    def from_config(
        cls,
        config: dict[str, typing.Any],
        custom_objects: dict[str, typing.Any] | None = None,
    ) -> typing.Self:
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = keras.saving.deserialize_keras_object(
                config["learning_rate"], custom_objects=custom_objects
            )
        return cls(**config)


@keras.saving.register_keras_serializable(package="keras_dpgan")
class DPKerasSGDOptimizer(_FlatDPOptimizer):
    """`keras.optimizers.SGD` on a clipped and noised sum."""

    inner_class = keras.optimizers.SGD


@keras.saving.register_keras_serializable(package="keras_dpgan")
class DPKerasAdamOptimizer(_FlatDPOptimizer):
    """`keras.optimizers.Adam` on a clipped and noised sum."""

    inner_class = keras.optimizers.Adam


@keras.saving.register_keras_serializable(package="keras_dpgan")
class DPKerasAdagradOptimizer(_FlatDPOptimizer):
    """`keras.optimizers.Adagrad` on a clipped and noised sum."""

    inner_class = keras.optimizers.Adagrad


@keras.saving.register_keras_serializable(package="keras_dpgan")
class DPKerasRMSpropOptimizer(_FlatDPOptimizer):
    """`keras.optimizers.RMSprop` on a clipped and noised sum."""

    inner_class = keras.optimizers.RMSprop
