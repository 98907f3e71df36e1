"""The updates of a `fit`, entered in a ledger before they are made."""

from keras_dpgan.privacy.history import difference


class Reservations:
    """Keeps ledger, model and training graph in agreement during one `fit`.

    The graph makes no update that is not reserved, and `reserve` returns when the
    reservation is on disk: so nothing that is made from an update can leave the
    process uncounted, and no flush is needed when something does.

    A model that trains under a ledger carries the ledger's whole history: its own
    updates, those of other runs on the same data, and those that a kill has lost.
    So the two totals are equal, and the updates that a model read from a file
    lacks are the ledger's last.

    Args:
        ledger: A `privacy.Ledger`.
        record: The model's `PrivacyRecord`.
        limits: The model's `TrainingLimits`.
    """

    def __init__(self, ledger, record, limits):
        self._ledger = ledger
        self._record = record
        self._limits = limits
        self._run = None
        # At most the number that is left. The graph knows the exact number, but asking
        # it in each step would make a GPU wait.
        self._at_least_left = 0
        limits.begin(reserved=0)

    def agree(self):
        """Makes model and ledger count what only the other one has counted.

        Raises:
            ValueError: If the model was trained under another ledger, or this one
                has lost lines.
        """
        if self._record.ledger_head is None:
            self._exchange()
        self._ledger.check_head(self._record.ledger_head)
        both, own = [], []
        # A run that has begun must stay the ledger's last until it ends.
        if self._run is None:
            both, own = self._record.settle_with(self._ledger)
        received = sum(entry.count for entry in [*both, *own])
        known = self._record.history().total_updates - received
        spent = self._ledger.total_updates - self._limits.num_unused
        lacking = self._ledger.updates_between(known, spent)
        for entry in difference(lacking, both):
            self._record.add(entry)
        self._spend(own)
        self._record.know_releases_of(self._ledger)
        self._record.ledger_head = self._ledger.head

    def _exchange(self):
        """Lets a ledger and a model that meet for the first time count each other."""
        if self._run is not None:
            raise ValueError(
                "Weights that were not trained under the ledger cannot be loaded "
                "while `fit` runs. Load them before it."
            )
        both, _ = self._record.settle_with(self._ledger)
        earlier = difference(self._record.history().entries, both)
        for entry in difference(self._ledger.history().entries, both):
            self._record.add(entry)
        self._spend(earlier)
        self._record.ledger_head = self._ledger.head

    def _spend(self, entries):
        for entry in entries:
            self._ledger.spend(entry, purpose="training before this ledger")

    def are_used_up(self, steps):
        """Whether fewer than `steps` reserved updates are left."""
        if self._at_least_left < steps:
            self._at_least_left = self._limits.num_unused
        return self._at_least_left < steps

    def reserve(self, steps):
        """Reserves up to a block, if fewer than `steps` updates are left."""
        if self.are_used_up(steps):
            self._reserve(self._wanted(steps))
        self._at_least_left -= steps

    def _wanted(self, steps):
        """A block of whole executions, less what is left, and within the budget."""
        left = self._limits.num_unused
        wanted = -(-self._ledger.block_size // steps) * steps
        if self._limits.max_updates is not None:
            made = int(self._record.num_discriminator_updates.numpy())
            wanted = min(wanted, self._limits.max_updates - made)
        return max(0, wanted - left)

    def _reserve(self, updates):
        if not updates:
            return
        if self._run is None:
            self._run = self._ledger.start_run(self._record.entry)
        self._ledger.reserve(self._run, updates)
        self._record.ledger_head = self._ledger.head
        self._limits.reserve(updates)
        self._at_least_left += updates

    def release(self):
        """Gives back what is left after `fit` has made its last update."""
        unused = self._limits.num_unused
        if unused:
            self._ledger.release(self._run, unused)
        self._limits.begin(reserved=0)
        self._at_least_left = 0
        self._run = None
        self.agree()
