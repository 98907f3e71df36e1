"""What Keras and its callbacks see as the one optimizer of a GAN."""

import numpy as np


class OptimizerPair:
    """Stands for the discriminator's and the generator's optimizer together.

    It is no `keras.optimizers.Optimizer`, so that Keras neither steps nor saves
    it; callbacks find in it what they look for.

    Args:
        d_optimizer: A Keras optimizer, or `None` where the generator alone is trained.
        g_optimizer: A Keras optimizer.

    Attributes:
        optimizers: `[d_optimizer, g_optimizer]`, or `[g_optimizer]`.
        built: `True`.
    """

    def __init__(self, d_optimizer, g_optimizer):
        both = (d_optimizer, g_optimizer)
        self.optimizers = [o for o in both if o is not None]
        self.built = True

    @property
    def iterations(self):
        """The first optimizer's iteration counter."""
        return self.optimizers[0].iterations

    @property
    def variables(self):
        """The variables of both optimizers, which `summary` counts."""
        return [v for optimizer in self.optimizers for v in optimizer.variables]

    @property
    def learning_rate(self):
        """The learning rate, where both optimizers have the same one.

        Raises:
            ValueError: If they differ: a callback that sets one rate for both
                would change their ratio.
        """
        first, second = (self.optimizers[i].learning_rate for i in (0, -1))
        if not np.isclose(float(first), float(second)):
            raise ValueError(
                "The discriminator's and the generator's learning rates differ "
                f"({float(first):g} and {float(second):g}), and this callback sets "
                "one rate for both. Give each optimizer a "
                "`keras.optimizers.schedules.LearningRateSchedule` instead."
            )
        return first

    @learning_rate.setter
    def learning_rate(self, value):
        for optimizer in self.optimizers:
            optimizer.learning_rate = value

    def get_config(self):
        """The configurations of both optimizers, which trackers log."""
        names = ("d_optimizer", "g_optimizer")[-len(self.optimizers) :]
        return {
            name: optimizer.get_config()
            for name, optimizer in zip(names, self.optimizers, strict=True)
        }

    @property
    def weights(self):
        """Refused: Keras reads them where it writes a whole model as HDF5.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            "A `DPGAN` is saved in a `.keras` file, `gan.save('gan.keras')`, or its "
            "weights and history in a `.weights.h5` file. An HDF5 file of the whole "
            "model cannot hold two optimizers and the privacy history."
        )

    def finalize(self, d_variables, g_variables):
        """Ends a `fit`: weights become their moving average, where asked for."""
        variables_of_each = (d_variables, g_variables)[-len(self.optimizers) :]
        for optimizer, variables in zip(
            self.optimizers, variables_of_each, strict=True
        ):
            optimizer.finalize_variable_values(variables)
