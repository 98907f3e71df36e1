"""Epsilon while training, and a budget that is kept."""

import typing

import keras

from keras_dpgan import privacy
from keras_dpgan._utils import keras_internals
from keras_dpgan._utils import validate
from keras_dpgan.privacy.statement_text import attack_line
from keras_dpgan.privacy.statement_text import shown


class EpsilonTracker(keras.callbacks.Callback):
    """Tracks epsilon, and keeps a `DPGAN` within its privacy budget.

    During an epoch the model logs an upper bound of epsilon that is quick to compute
    (Renyi DP). At the end of each epoch this callback logs the tight value. If there
    is a target, no update is made that would exceed it, because the limit is checked
    inside the graph before each update. Unless `fit` is silent, the last line that it
    prints says what an attacker can achieve at most.

    Examples:
        >>> import numpy as np

        >>> gan = dpgan.DPGAN(
        ...     dpgan.models.vector_discriminator(2, hidden=(8,)),
        ...     dpgan.models.vector_generator(2, latent_dim=3, hidden=(8,)),
        ... )
        >>> gan.compile(
        ...     d_optimizer=dpgan.optimizers.DPKerasSGDOptimizer(
        ...         l2_norm_clip=1.0, noise_multiplier=1.0, learning_rate=0.1
        ...     ),
        ...     g_optimizer="adam",
        ... )
        >>> x = np.random.normal(size=(100, 2)).astype("float32")
        >>> tracker = dpgan.callbacks.EpsilonTracker(
        ...     delta=1e-3, target_epsilon=3.0, on_exceed="stop", accountant="rdp"
        ... )
        >>> history = gan.fit(x, batch_size=10, callbacks=[tracker], verbose=0)
        >>> history.history["epsilon"][-1] <= 3.0
        True

    Args:
        delta: Float in (0, 1). Defaults to `None`: the largest power of ten below
            1/n.
        target_epsilon: Positive float, the budget. Defaults to `None`.
        on_exceed: What to do about a `fit` that would exceed the target: `"refuse"`
            it before its first update, or `"stop"` it before the update that would
            exceed the target. Defaults to `"refuse"`.
        accountant: `"pld"`, which takes about a second per epoch, or `"rdp"`,
            which is instant and reports more. Defaults to `"pld"`.
    """

    def __init__(
        self,
        delta: float | None = None,
        target_epsilon: float | None = None,
        on_exceed: str = "refuse",
        accountant: str = "pld",
    ) -> None:
        super().__init__()
        if delta is not None:
            validate.check_delta(delta)
        if target_epsilon is not None:
            validate.check_positive("target_epsilon", target_epsilon)
        validate.check_choice("on_exceed", on_exceed, ("refuse", "stop"))
        validate.check_choice("accountant", accountant, ("pld", "rdp"))
        self.delta = delta
        self.target_epsilon: typing.Any = target_epsilon
        self.on_exceed = on_exceed
        self.accountant = accountant
        self._budget_is_set = False
        self._own_limit = None

    def on_train_begin(self, logs: dict[str, typing.Any] | None = None) -> None:
        if not getattr(self.model, "private", False):
            raise ValueError(
                "`EpsilonTracker` needs a `DPGAN` that is compiled with a DP "
                "`d_optimizer`. This model has no epsilon, because its training is not "
                "private. Compile it with a DP optimizer, or remove the callback."
            )
        if self.delta is not None:
            validate.check_delta(self.delta, self.model.num_examples)
            self.model.delta = self.delta
        self._own_limit = self.model.max_discriminator_updates
        self._budget_is_set = self.target_epsilon is None

    def on_epoch_begin(
        self, epoch: int, logs: dict[str, typing.Any] | None = None
    ) -> None:
        # This waits for `fit` to begin, when other callbacks may restore a history.
        if not self._budget_is_set:
            self._keep_budget()
            self._budget_is_set = True

    def _keep_budget(self):
        record = self.model.privacy_record
        if record.entry is None:  # All was released before; `fit` spends nothing.
            if self.model.epsilon(accountant=self.accountant) > self.target_epsilon:
                raise ValueError(self._refusal(0, 0))
            return
        made = self.model.num_discriminator_updates
        more = privacy.max_updates(
            record.closed_history,
            record.entry.with_count(made),
            self.model.delta,
            self.target_epsilon,
            self.accountant,
        )
        if more is None:  # The declared participations cannot exceed the budget.
            return
        planned = self._planned_updates()
        refused = self.on_exceed == "refuse" and planned is not None and planned > more
        if more == 0 or refused:
            raise ValueError(self._refusal(more, planned))
        limits = [made + more, self._own_limit]
        self.model.max_discriminator_updates = min(x for x in limits if x is not None)

    def _planned_updates(self):
        """The updates that this `fit` was asked for; `None` if not known."""
        steps = self.params.get("steps")
        if steps is None:
            return None
        epochs = self.params["epochs"] - keras_internals.initial_epoch(self.model)
        return steps * max(epochs, 0)

    def _refusal(self, more, planned):
        spent = self.model.epsilon(accountant=self.accountant)
        asked = "" if planned is None else f" asks for {planned} updates, which"
        text = (
            f"This fit{asked} would exceed target_epsilon={self.target_epsilon} at "
            f"delta={self.model.delta}. Spent so far: {spent:.4g}. "
        )
        if more == 0:
            return text + (
                "Not one more update fits into the budget. Raise `target_epsilon`, or "
                "train a new model with a larger `noise_multiplier` (see "
                "`keras_dpgan.privacy.plan`)."
            )
        steps = self.params["steps"]
        return text + (
            f"At most {more} more updates fit into the budget, which are "
            f"{more // steps} whole epochs of {steps} updates. Ask for fewer epochs, "
            'or use `on_exceed="stop"` or a larger `noise_multiplier` (see '
            "`keras_dpgan.privacy.plan`)."
        )

    def on_train_batch_end(
        self, batch: int, logs: dict[str, typing.Any] | None = None
    ) -> None:
        limit = self.model.max_discriminator_updates
        if limit is not None and self.model.num_discriminator_updates >= limit:
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, typing.Any] | None = None) -> None:
        # The budget holds for this `fit` alone; the next may have another or none.
        self.model.max_discriminator_updates = self._own_limit
        if self.params.get("verbose"):
            print(self._last_line())

    def _last_line(self):
        """The result of the training, in a form that helps to decide on publishing."""
        epsilon = self.model.epsilon(accountant=self.accountant)
        curve = privacy.trade_off(self.model.privacy_history, self.accountant)
        return (
            f"epsilon = {shown(epsilon)} at delta = {self.model.delta:g}. "
            f"{attack_line(curve)}"
        )

    def on_epoch_end(
        self, epoch: int, logs: dict[str, typing.Any] | None = None
    ) -> None:
        if logs is not None:
            logs["epsilon"] = self.model.epsilon(accountant=self.accountant)
