"""Published private GANs and our own, ready to be trained."""

from keras_dpgan.recipes.best import best as best
from keras_dpgan.recipes.published import dp_cgan as dp_cgan
from keras_dpgan.recipes.published import dp_wgan_gp as dp_wgan_gp
from keras_dpgan.recipes.published import dpgan as dpgan
from keras_dpgan.recipes.published import large_batch as large_batch
from keras_dpgan.recipes.published import revisited as revisited
from keras_dpgan.recipes.recipe import Recipe as Recipe
from keras_dpgan.recipes.table import table as table
from keras_dpgan.tables.calibration import table_noise as table_noise
