"""Training: batches as functions of the step, one plain loop through Lightning Fabric, and a watch for collapse."""

from handlib.training.augmentation import NO_AUGMENTATION, Augmentation
from handlib.training.batches import BatchDrawer, HandPictures, TrainingBatch
from handlib.training.collapse import CollapseDetector, CollapseError, CollapseSettings
from handlib.training.loop import StepOutput, TrainingLog, TrainSettings, fit_network

__all__ = [
    "NO_AUGMENTATION",
    "Augmentation",
    "BatchDrawer",
    "CollapseDetector",
    "CollapseError",
    "CollapseSettings",
    "HandPictures",
    "StepOutput",
    "TrainSettings",
    "TrainingBatch",
    "TrainingLog",
    "fit_network",
]
