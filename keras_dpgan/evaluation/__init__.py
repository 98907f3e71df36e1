"""Measures how good generated data are, and whether they reveal training rows.

Evaluation reads private rows: none of its numbers is private.
"""

import typing

from keras_dpgan._utils import old_names as _old_names
from keras_dpgan.evaluation.attacks import density_scores as density_scores
from keras_dpgan.evaluation.attacks import discriminator_scores as discriminator_scores
from keras_dpgan.evaluation.attacks import nearness_scores as nearness_scores
from keras_dpgan.evaluation.classifiers import (
    classifier_accuracy as classifier_accuracy,
)
from keras_dpgan.evaluation.classifiers import train_classifier as train_classifier
from keras_dpgan.evaluation.diversity import (
    WithinClassDiversity as WithinClassDiversity,
)
from keras_dpgan.evaluation.diversity import label_accuracy as label_accuracy
from keras_dpgan.evaluation.diversity import (
    within_class_diversity as within_class_diversity,
)
from keras_dpgan.evaluation.features import default_features as default_features
from keras_dpgan.evaluation.features import extract_features as extract_features
from keras_dpgan.evaluation.features import feature_classifier as feature_classifier
from keras_dpgan.evaluation.features import features_of as features_of
from keras_dpgan.evaluation.features import inception_features as inception_features
from keras_dpgan.evaluation.frechet import frechet_distance as frechet_distance
from keras_dpgan.evaluation.frechet import (
    frechet_distance_infinity as frechet_distance_infinity,
)
from keras_dpgan.evaluation.membership import MembershipInference as MembershipInference
from keras_dpgan.evaluation.membership import (
    membership_inference as membership_inference,
)
from keras_dpgan.evaluation.memorisation import Memorization as Memorization
from keras_dpgan.evaluation.memorisation import memorisation as memorisation
from keras_dpgan.evaluation.memorisation import memorization as memorization
from keras_dpgan.evaluation.prdc import PRDC as PRDC
from keras_dpgan.evaluation.prdc import (
    precision_recall_density_coverage as precision_recall_density_coverage,
)
from keras_dpgan.evaluation.report import report as report
from keras_dpgan.evaluation.samples import draw_samples as draw_samples
from keras_dpgan.evaluation.scores import Evaluation as Evaluation
from keras_dpgan.evaluation.scores import evaluate as evaluate
from keras_dpgan.evaluation.table_associations import associations as associations
from keras_dpgan.evaluation.table_records import nearest_records as nearest_records
from keras_dpgan.evaluation.table_report import report_table as report_table
from keras_dpgan.evaluation.table_scores import coverage as coverage
from keras_dpgan.evaluation.table_scores import evaluate_table as evaluate_table
from keras_dpgan.evaluation.table_scores import total_variation as total_variation
from keras_dpgan.evaluation.table_scores import train_on_synthetic as train_on_synthetic

if not typing.TYPE_CHECKING:

    def __getattr__(name):
        if name == "Memorisation":  # The name of 0.1.
            _old_names.warn("Memorisation", "Memorization")
            return Memorization
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
