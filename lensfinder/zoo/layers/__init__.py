"""Keras layers: preprocessing that lives in the model, augmentation, and the scale of targets."""

from lensfinder.zoo.layers.adapted import adapt
from lensfinder.zoo.layers.arcsinh_stretch import ArcsinhStretch
from lensfinder.zoo.layers.band_scale import BandScale
from lensfinder.zoo.layers.contrast_clip import ContrastClip
from lensfinder.zoo.layers.dense_flipout import DenseFlipout, set_training_objects
from lensfinder.zoo.layers.dihedral import DihedralMean, DihedralViews
from lensfinder.zoo.layers.factorial_flow import FactorialFlow
from lensfinder.zoo.layers.fine_structure import FineStructure
from lensfinder.zoo.layers.gaussian_latent import GaussianLatent
from lensfinder.zoo.layers.image_scale import ImageScale
from lensfinder.zoo.layers.joint_augment import JointAugment
from lensfinder.zoo.layers.logit_map import LogitMap
from lensfinder.zoo.layers.observing_augment import ObservingAugment
from lensfinder.zoo.layers.posterior_head import PosteriorHead
from lensfinder.zoo.layers.quantiles import QuantileSketch
from lensfinder.zoo.layers.spread_scale import SpreadScale
from lensfinder.zoo.layers.stack_planes import StackPlanes
from lensfinder.zoo.layers.target_scale import TargetScale
from lensfinder.zoo.layers.to_branches import ToBranches

__all__ = [
    "ArcsinhStretch",
    "BandScale",
    "ContrastClip",
    "DenseFlipout",
    "DihedralMean",
    "DihedralViews",
    "FactorialFlow",
    "FineStructure",
    "GaussianLatent",
    "ImageScale",
    "JointAugment",
    "LogitMap",
    "ObservingAugment",
    "PosteriorHead",
    "QuantileSketch",
    "StackPlanes",
    "SpreadScale",
    "TargetScale",
    "ToBranches",
    "adapt",
    "set_training_objects",
]
