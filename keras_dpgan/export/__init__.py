"""Exports a generator without its training code, and with its privacy card."""

from keras_dpgan.export.card import make_card as make_card
from keras_dpgan.export.card import read_card as read_card
from keras_dpgan.export.loading import ExportedGenerator as ExportedGenerator
from keras_dpgan.export.loading import load as load
from keras_dpgan.export.schema import card_schema as card_schema
from keras_dpgan.export.writer import export_generator as export_generator
