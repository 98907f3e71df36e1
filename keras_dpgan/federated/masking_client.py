"""A client's side of secure aggregation."""

import json
import os
import typing

import numpy as np
from cryptography.exceptions import InvalidTag
from flwr.common.secure_aggregation.crypto.shamir import create_shares

from keras_dpgan._utils.formats import Format
from keras_dpgan.federated import masks

_FORMAT = Format(
    "masking_client",
    version=2,
    required=(
        "number",
        "threshold",
        "mask_key",
        "channel_key",
        "own_seed",
        "me",
        "directory",
        "held",
        "masked",
        "revealed",
    ),
)


class ProtocolError(ValueError):
    """The server asked for what the protocol forbids; the client does not answer."""


class MaskingClient:
    """One round of one client: its vector leaves under masks that cancel out.

    Every pair of clients shares a mask that one adds and the other subtracts,
    and each adds one of its own. The secrets behind the masks are shared out, so
    that the others can take off the masks of one that drops out, or the own
    masks of those that do not, never both of one client. Source: Bonawitz et al.
    2017, "Practical Secure Aggregation for Privacy-Preserving Machine Learning",
    against a server that follows the protocol (figure 4, without signatures), and
    Flower's sharing of secrets.

    Args:
        number: Int, the round.
        threshold: Int, the clients without whom nothing is opened; see `Cohort`.
    """

    def __init__(self, number, threshold):
        self.number, self.threshold = number, threshold
        self._mask_key, self._channel_key = masks.new_key(), masks.new_key()
        self._own_seed = os.urandom(32)
        self._directory: typing.Any = None
        self._me: typing.Any = None
        self._held: typing.Any = None
        self._masked = False
        self._revealed = False

    def public_keys(self):
        """What the others need: the public keys of masks and of channels."""
        return masks.public_key(self._mask_key) + masks.public_key(self._channel_key)

    def share(self, me, directory):
        """Shares the secrets of one's masks out to all that take part.

        Args:
            me: Int, by which number the others know this client.
            directory: Dict from number to `public_keys`, this client's included.

        Returns:
            Dict from the other clients' numbers to bytes that they alone can read.

        Raises:
            ProtocolError: If too few take part, or keys are not what they were.
        """
        if self._directory is not None:
            raise ProtocolError("The secrets of a round can be shared only once.")
        if len(directory) < self.threshold:
            raise ProtocolError(
                f"Only {len(directory)} clients take part, and {self.threshold} are "
                f"needed."
            )
        if directory.get(me) != self.public_keys():
            raise ProtocolError(
                "The directory does not hold the keys that this client has sent."
            )
        if len(set(directory.values())) != len(directory):
            raise ProtocolError("Two clients have the same keys.")
        self._me, self._directory = me, dict(directory)
        numbers = sorted(directory)
        shares = zip(
            create_shares(self._mask_key, self.threshold, len(numbers)),
            create_shares(self._own_seed, self.threshold, len(numbers)),
            strict=True,
        )
        parcels = {}
        for other, (of_key, of_seed) in zip(numbers, shares, strict=True):
            if other == me:
                self._held = {me: (of_key, of_seed)}
            else:
                parcels[other] = masks.encrypt(
                    self._channel(me, other), of_key + of_seed, self._context(me, other)
                )
        return parcels

    def _channel(self, sender, receiver):
        other = receiver if sender == self._me else sender
        purpose = self._context(sender, receiver) + b" channel"
        return masks.shared_key(self._channel_key, self._directory[other][32:], purpose)

    def _context(self, sender, receiver):
        return json.dumps([self.number, sender, receiver]).encode()

    def mask(self, parcels, vector):
        """The vector under the masks of all whose secrets have come.

        Args:
            parcels: Dict from the other clients' numbers to what they shared.
            vector: Integer array of shape `(d,)`, modulo `2**32`.

        Returns:
            uint32 array of shape `(d,)`.

        Raises:
            ProtocolError: If too few have shared theirs, or a parcel was altered.
        """
        if self._directory is None or self._masked:
            raise ProtocolError(
                "A vector can be masked only once, after secrets are shared."
            )
        if len(parcels) + 1 < self.threshold:
            raise ProtocolError(
                f"Only {len(parcels) + 1} clients have shared their secrets, and "
                f"{self.threshold} are needed."
            )
        held = {n: self._open(n, parcels[n]) for n in parcels}
        total = np.asarray(vector).astype(np.uint32)
        total = total + masks.mask(self._own_seed, total.size)
        for other in held:
            shared = masks.shared_key(
                self._mask_key,
                self._directory[other][:32],
                mask_purpose(self.number, self._me, other),
            )
            mask = masks.mask(shared, total.size)
            total = total + mask if self._me < other else total - mask
        self._held |= held
        self._masked = True
        return total

    def _open(self, sender, parcel):
        if sender not in self._directory or sender == self._me:
            raise ProtocolError(f"Client {sender} is not another client of the round.")
        try:
            plain = masks.decrypt(
                self._channel(sender, self._me), parcel, self._context(sender, self._me)
            )
        except InvalidTag as error:
            raise ProtocolError(
                f"The parcel from client {sender} was changed on its way."
            ) from error
        half = len(plain) // 2
        return plain[:half], plain[half:]

    def reveal(self, survivors):
        """Shares by which the sum of the survivors, and no other, can be opened.

        Args:
            survivors: Set of the numbers of those whose masked vectors have come.

        Returns:
            Dict from number to `(kind, share)`: `"seed"` for a survivor, `"key"`
            for one that dropped out after it had shared its secrets.

        Raises:
            ProtocolError: If they are too few, or the round was opened before.
        """
        if self._revealed:
            raise ProtocolError("A round can be opened only once.")
        if len(survivors) < self.threshold:
            raise ProtocolError(
                f"Only {len(survivors)} clients are left, and {self.threshold} are "
                f"needed."
            )
        if not survivors <= set(self._held):
            raise ProtocolError("A client that is left has not shared its secrets.")
        self._revealed = True
        return {
            number: ("seed", of_seed) if number in survivors else ("key", of_key)
            for number, (of_key, of_seed) in self._held.items()
        }

    def to_json(self):
        """The secrets of the round, for the client itself to keep between messages."""
        return json.dumps(
            _FORMAT.write(
                number=self.number,
                threshold=self.threshold,
                mask_key=self._mask_key.hex(),
                channel_key=self._channel_key.hex(),
                own_seed=self._own_seed.hex(),
                me=self._me,
                directory=self._directory and _hex(self._directory),
                held=self._held
                and {n: [share.hex() for share in s] for n, s in self._held.items()},
                masked=self._masked,
                revealed=self._revealed,
            )
        )

    @classmethod
    def from_json(cls, text):
        """The client that `to_json` wrote.

        Raises:
            ValueError: If a later version has written it, or it is damaged.
        """
        values = _FORMAT.read(json.loads(text))
        client = cls(values["number"], values["threshold"])
        for name in ("mask_key", "channel_key", "own_seed"):
            setattr(client, f"_{name}", bytes.fromhex(values[name]))
        for name in ("me", "masked", "revealed"):
            setattr(client, f"_{name}", values[name])
        if values["directory"]:
            client._directory = {
                int(n): bytes.fromhex(keys) for n, keys in values["directory"].items()
            }
        if values["held"]:
            client._held = {
                int(n): tuple(bytes.fromhex(share) for share in shares)
                for n, shares in values["held"].items()
            }
        return client


def _hex(keys):
    return {number: key.hex() for number, key in keys.items()}


def mask_purpose(number, one, other):
    """What the shared key of two clients' mask is bound to."""
    return json.dumps(["mask", number, min(one, other), max(one, other)]).encode()
