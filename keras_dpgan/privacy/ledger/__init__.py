"""Records what was spent on private data, in a file that survives kills and crashes."""

from keras_dpgan.privacy.ledger.contents import LedgerContents as LedgerContents
from keras_dpgan.privacy.ledger.contents import LedgerRun as LedgerRun
from keras_dpgan.privacy.ledger.ledger import Ledger as Ledger
