"""Counts the updates made with private data, and computes and states their cost."""

from keras_dpgan.privacy import audit as audit
from keras_dpgan.privacy import validation as validation
from keras_dpgan.privacy.accountant import epsilon as epsilon
from keras_dpgan.privacy.accountant import group_epsilon as group_epsilon
from keras_dpgan.privacy.accountant import to_event as to_event
from keras_dpgan.privacy.budget import max_updates as max_updates
from keras_dpgan.privacy.history import PrivacyHistory as PrivacyHistory
from keras_dpgan.privacy.history_entry import HistoryEntry as HistoryEntry
from keras_dpgan.privacy.ledger import Ledger as Ledger
from keras_dpgan.privacy.paid_search import SearchResult as SearchResult
from keras_dpgan.privacy.paid_search import search as search
from keras_dpgan.privacy.paid_search import search_epsilon as search_epsilon
from keras_dpgan.privacy.plan import Plan as Plan
from keras_dpgan.privacy.plan import plan as plan
from keras_dpgan.privacy.rdp import EpsilonCurve as EpsilonCurve
from keras_dpgan.privacy.rdp import rdp_curve as rdp_curve
from keras_dpgan.privacy.statement import PrivacyStatement as PrivacyStatement
from keras_dpgan.privacy.statement import privacy_statement as privacy_statement
from keras_dpgan.privacy.trade_off import TradeOff as TradeOff
from keras_dpgan.privacy.trade_off import trade_off as trade_off
