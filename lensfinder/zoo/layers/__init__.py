"""Keras layers: preprocessing that lives in the model, augmentation, and the scale of targets."""

from lensfinder.zoo.layers.adapted import adapt
from lensfinder.zoo.layers.arcsinh_stretch import ArcsinhStretch
from lensfinder.zoo.layers.contrast_clip import ContrastClip
from lensfinder.zoo.layers.dihedral import DihedralMean, DihedralViews
from lensfinder.zoo.layers.image_scale import ImageScale
from lensfinder.zoo.layers.joint_augment import JointAugment
from lensfinder.zoo.layers.logit_map import LogitMap
from lensfinder.zoo.layers.quantiles import QuantileSketch
from lensfinder.zoo.layers.target_scale import TargetScale
from lensfinder.zoo.layers.to_branches import ToBranches

__all__ = [
    "ArcsinhStretch",
    "ContrastClip",
    "DihedralMean",
    "DihedralViews",
    "ImageScale",
    "JointAugment",
    "LogitMap",
    "QuantileSketch",
    "TargetScale",
    "ToBranches",
    "adapt",
]
