"""What a client of a federation says for itself, and the app that acts on it."""

import collections.abc
import dataclasses
import os
import typing

from keras_dpgan._utils import validate
from keras_dpgan.federated.client_budget import ClientBudget
from keras_dpgan.federated.round_budget import RoundBudget

if typing.TYPE_CHECKING:
    import flwr.app
    import flwr.clientapp

    from keras_dpgan.federated.budget_vote import VoteCounter
    from keras_dpgan.federated.key_holder import KeyHolder
    from keras_dpgan.federated.signatures import Registry

# Clients send what is private already, or what they trust the server with.
_SHOWN = ("record-level", "local-records", "local-clients")
_MASKED = ("masked-records", "masked-sums")
_ENCRYPTED = ("encrypted-records", "encrypted-sums")
# Those that have records, not clients, for their unit, and a `ClientBudget`.
_BY_LEDGER = ("record-level", "local-records")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FederatedClient:
    """One client's own side of a federation: nothing of it is the server's to say.

    Examples:
        >>> client = dpgan.federated.FederatedClient(
        ...     mode="local-clients",
        ...     records=lambda: None,  # A `LocalTraining` in earnest.
        ...     ledger="rounds.ledger",
        ...     mechanism=dpgan.federated.GaussianUpdate(1.0, noise_multiplier=10.0),
        ...     epsilon=8.0,
        ... )
        >>> client.budget.max_rounds
        69

    Args:
        mode: String, the one mode that the client takes part in: `"record-level"`,
            `"local-records"`, `"local-clients"`, `"masked-records"`,
            `"masked-sums"`, `"encrypted-records"` or `"encrypted-sums"`.
        records: Function without arguments that returns what answers for the
            client's records: a `RecordOwner` in `"record-level"` and the modes of
            hidden records, else a `LocalTraining`.
        ledger: The file of what was spent, on the client's own disk.
        epsilon: Positive float, the client's limit. Defaults to 10.
        delta: Float in (0, 1). Defaults to 1e-5.
        mechanism: How what is sent is privatized; `None` in `"record-level"`, which
            has `terms`, and in `"local-records"`, which has its model's optimizer.
        terms: In `"record-level"`, the `flower.record_level.RecordTerms`.
        signing_key: Where sums are hidden, bytes: the client's own private key.
        registry: There, the `signatures.Registry` of all clients.
        context: Where they are encrypted, bytes: the key holder's public context.
        sealing_key: There, bytes: its public key for votes.
        on_model: Function of the discriminator's trainable weights and all weights of
            the generator, called with each shared model in the modes of whole
            networks; see `KeptModel`. Defaults to `None`.

    Raises:
        ValueError: If the mode is unknown, or lacks an argument.
    """

    mode: str
    records: "collections.abc.Callable[[], typing.Any]"
    ledger: str | os.PathLike[str]
    epsilon: float = 10.0
    delta: float = 1e-5
    mechanism: typing.Any = None
    terms: typing.Any = None
    signing_key: bytes | None = None
    registry: "Registry | None" = None
    context: bytes | None = None
    sealing_key: bytes | None = None
    on_model: "collections.abc.Callable[..., typing.Any] | None" = None

    def __post_init__(self):
        validate.check_positive("epsilon", self.epsilon)
        validate.check_delta(self.delta)
        if self.mode not in (*_SHOWN, *_MASKED, *_ENCRYPTED):
            raise ValueError(
                "`mode` must be one of "
                f"{', '.join((*_SHOWN, *_MASKED, *_ENCRYPTED))}. Received: "
                f"mode={self.mode!r:.80}"
            )
        for name in self._needed():
            if getattr(self, name) is None:
                raise ValueError(
                    f"`{name}` must be given in the mode {self.mode!r}. Received: "
                    f"{name}=None"
                )

    def _needed(self):
        if self.mode == "record-level":
            return ("terms",)
        if self.mode == "local-records":
            return ()
        if self.mode == "local-clients":
            return ("mechanism",)
        hidden = ("mechanism", "signing_key", "registry")
        return (*hidden, "context", "sealing_key") if self.is_encrypted else hidden

    @property
    def is_encrypted(self) -> bool:
        """Whether its sums are encrypted."""
        return self.mode in _ENCRYPTED

    @property
    def budget(self) -> ClientBudget | RoundBudget:
        """The client's limit, and what it has spent."""
        if self.mode in _BY_LEDGER:
            return ClientBudget(self.ledger, "records", self.epsilon, self.delta)
        return RoundBudget(self.ledger, self.mechanism, self.epsilon, self.delta)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FederatedKeyHolder:
    """The key holder's own side of a federation with encrypted sums.

    Examples:
        >>> from keras_dpgan.federated import encryption
        >>> from keras_dpgan.federated import budget_vote
        >>> from keras_dpgan.federated import key_holder
        >>> from keras_dpgan.federated import masks
        >>> from keras_dpgan.federated import signatures
        >>> clients = [signatures.new_signing_key() for _ in range(3)]
        >>> registry = signatures.Registry(map(signatures.verifying_key, clients))
        >>> party = dpgan.federated.FederatedKeyHolder(
        ...     signing_key=signatures.new_signing_key(),
        ...     holder=key_holder.KeyHolder(
        ...         encryption.new_context(), size=1000, path="opened"
        ...     ),
        ...     counter=budget_vote.VoteCounter(
        ...         masks.new_key(), registry, threshold=3, path="counted"
        ...     ),
        ... )

    Args:
        signing_key: Bytes, by which the server knows the key holder.
        holder: A `KeyHolder`.
        counter: A `VoteCounter`.
    """

    signing_key: bytes
    holder: "KeyHolder"
    counter: "VoteCounter"


def client_app(
    make_party: "collections.abc.Callable[[flwr.app.Context], typing.Any]",
) -> "flwr.clientapp.ClientApp":
    """The client's whole side of a Flower app.

    Examples:
        >>> def make_client(context):
        ...     own = context.node_config
        ...     (x, y), _ = dpgan.data.load_digits()
        ...     gan = dpgan.DPGAN(
        ...         dpgan.models.image_discriminator((8, 8, 1), num_classes=10),
        ...         dpgan.models.image_generator((8, 8, 1), 16, num_classes=10),
        ...     )
        ...     return dpgan.federated.FederatedClient(
        ...         mode="local-clients",
        ...         records=lambda: dpgan.federated.LocalTraining(
        ...             gan, x, y, 64.0, updates=5
        ...         ),
        ...         mechanism=dpgan.federated.GaussianUpdate(1.0, own["noise"]),
        ...         ledger=own["ledger"],
        ...         epsilon=own["epsilon"],
        ...     )
        >>> app = dpgan.federated.client_app(make_client)

    Every question of every mode has its answer in it; a client answers those of the
    mode that it has agreed to, and no round twice. What it sends, what that costs and
    how much it may cost is what `make_party` says: take it from the context's
    `node_config`, which is the client's own, never from its `run_config`, which is the
    server's.

    Args:
        make_party: Function from a `flwr.app.Context` to the `FederatedClient` or
            `FederatedKeyHolder` that the node is.

    Returns:
        A `flwr.clientapp.ClientApp`.
    """
    from keras_dpgan.federated.flower import client_side

    return client_side.app_of(make_party)
