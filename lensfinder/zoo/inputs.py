"""What all builders share: inputs from a contract, and the kinds of head."""

import keras

from lensfinder.errors import ArchitectureError, UnknownNameError
from lensfinder.specs.contract import InputContract
from lensfinder.zoo.layers.posterior_head import PosteriorHead
from lensfinder.zoo.layers.target_scale import SPAN, TargetScale
from lensfinder.zoo.layers.to_branches import ToBranches

HEAD = ("p_lens", "parameters", "target_scale", "raw", "posterior")  # layers that `head` makes
MAX_STAMP, MAX_BANDS, MAX_GROUPS = 1024, 16, 8  # a configuration may come from elsewhere

# Physical value at network output 0 and 10. They only set the scale on which a network starts to
# learn; predictions outside are possible. Units: arcsec, arcsec for positions, km/s for sigma_v.
DEFAULT_RANGES: dict[str, tuple[float, float]] = {
    "theta_E": (0.0, 3.0),
    "q": (0.0, 1.0),
    "e1": (-1.0, 1.0),
    "e2": (-1.0, 1.0),
    "x_lens": (-0.5, 0.5),
    "y_lens": (-0.5, 0.5),
    "gamma1": (-0.25, 0.25),
    "gamma2": (-0.25, 0.25),
    "x_src": (-1.5, 1.5),
    "y_src": (-1.5, 1.5),
    "magnification": (0.0, 50.0),
    "z_lens": (0.0, 2.0),
    "z_src": (0.0, 6.0),
    "sigma_v": (100.0, 400.0),
}


def select(contract: InputContract, choice: dict[str, tuple[str, ...]]) -> InputContract:
    """The contract of a model that takes some groups and bands of another contract.

    Parameters
    ----------
    contract : InputContract
        All that there is.
    choice : dict of str to sequence of str
        Bands to take, per group, in the order wanted. ``{"vis": ["VIS"], "nisp": ["Y"]}`` is the
        variant "Y+VIS" of Bom et al. 2022, table 1.

    Returns
    -------
    InputContract
        The smaller contract.

    Raises
    ------
    MissingBandError
        If a band is not in the contract.
    InputContractError, UnknownNameError
        If a group is not, or holds another band.
    """
    return contract.select(choice)


def make_inputs(contract: InputContract, *, smallest: int) -> dict:
    """One Keras input per group, named after it.

    Parameters
    ----------
    contract : InputContract
        Groups and their shapes.
    smallest : int
        Smallest stamp, in pixels, that the network can take.

    Returns
    -------
    dict of str to keras.KerasTensor
        Inputs of shape (None, stamp, stamp, bands), float32.

    Raises
    ------
    ArchitectureError
        If a stamp is too small or the contract is larger than any survey.
    """
    if contract.branches:  # what is resized may be smaller than a network can take
        _check_sizes("Group", contract.shapes, 4)
        _check_sizes("Branch", contract.branch_shapes, smallest)
    else:
        _check_sizes("Group", contract.shapes, smallest)
    return {
        name: keras.Input(shape, name=name, dtype="float32")
        for name, shape in contract.shapes.items()
    }


def _check_sizes(kind: str, shapes: dict, smallest: int) -> None:
    if not 1 <= len(shapes) <= MAX_GROUPS:
        raise ArchitectureError(
            f"A network takes 1 to {MAX_GROUPS} groups. Received: {len(shapes)}."
        )
    for name, shape in shapes.items():
        if not smallest <= shape[0] <= MAX_STAMP or shape[-1] > MAX_BANDS:
            raise ArchitectureError(
                f"{kind} {name!r} must have a stamp of {smallest} to {MAX_STAMP} pixels and "
                f"at most {MAX_BANDS} bands. Received: {shape}. "
                "Cut the stamps to another size.",
                group=name,
                shape=shape,
            )


def to_branches(inputs: dict, contract: InputContract) -> dict:
    """What each branch of a network is shown of its inputs.

    Parameters
    ----------
    inputs : dict of str to keras.KerasTensor
        From `make_inputs`.
    contract : InputContract
        Its `branches` say what is cut and resized; without any, inputs go on as they are.

    Returns
    -------
    dict of str to keras.KerasTensor
        One per branch, named after it.
    """
    if not contract.branches:
        return dict(inputs)
    return ToBranches.of(contract, name="branches")(dict(inputs))


def join(features: list, name: str):
    """Concatenate the features of the groups; one group passes through.

    Parameters
    ----------
    features : list of tensor (N, F)
        Features, one per group.
    name : str
        Name of the layer.

    Returns
    -------
    tensor (N, sum of F)
        All features.
    """
    return features[0] if len(features) == 1 else keras.layers.Concatenate(name=name)(features)


def head(
    features,
    task: str,
    targets: tuple[str, ...],
    ranges: dict | None,
    components: int = 0,
    *,
    dense=keras.layers.Dense,
):
    """The last layers of a network.

    Parameters
    ----------
    features : tensor (N, F)
        Features.
    task : {"finder", "modeller"}
        A finder ends in one probability, ``p_lens``; a modeller in physical values.
    targets : tuple of str
        What a modeller predicts, in order.
    ranges : dict of str to (low, high) or None
        Ranges that replace those of `DEFAULT_RANGES`.
    components : int
        Of a modeller: Gaussians of its posterior (`PosteriorHead`); 0 for values alone.
    dense : callable
        Makes the layer that answers with values, as `keras.layers.Dense` does.

    Returns
    -------
    tensor (N, 1), (N, targets) or (N, outputs)
        Probability, values in each target's unit, or what `PosteriorHead` answers.

    Raises
    ------
    UnknownNameError
        If a target has no range.
    ArchitectureError
        If a finder is to have a modeller's head.
    """
    if task == "finder":
        if components:
            raise ArchitectureError(
                f"A finder ends in one probability. Received: components={components}."
            )
        return dense(1, activation="sigmoid", dtype="float32", name="p_lens")(features)
    known = {**DEFAULT_RANGES, **(ranges or {})}
    for target in targets:
        if target not in known:
            raise UnknownNameError("target with a range (give one in `ranges`)", target, known)
    low, high = zip(*(known[target] for target in targets), strict=True)
    if components:
        last = PosteriorHead(low, high, components, dtype="float32", name="posterior")
        return last(dense(last.raw_size, dtype="float32", name="raw")(features))
    # start in the middle of every range instead of at its lower end
    answers = dense(
        len(targets),
        bias_initializer=keras.initializers.Constant(SPAN / 2),
        dtype="float32",
        name="parameters",
    )(features)
    return TargetScale(low, high, dtype="float32", name="target_scale")(answers)
