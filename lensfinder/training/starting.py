"""A training that begins with the weights of a preset instead of random ones."""

from lensfinder.errors import ArchitectureError
from lensfinder.zoo.inputs import HEAD

REMEDY = "Take as many bands and groups as the preset does, and the same arguments."


def begin_from(model, recipe) -> str | None:
    """Give a network the weights of the preset that its recipe starts from.

    Its calibration is left out, for it holds for the preset's own mocks. Layers that scale images
    are adapted to the new training data afterwards, as for any training. With ``fresh_head`` the
    layers that answer keep their random weights, and the preset may answer something else.

    Parameters
    ----------
    model : keras.Model
        As the recipe builds it; changed in place.
    recipe : Recipe
        With ``start``, or without.

    Returns
    -------
    str or None
        The preset and its fingerprint, in words; None if the recipe starts from nothing.

    Raises
    ------
    UnknownNameError, DownloadError, UntrustedArtefactError
        If there is no such preset, or it cannot be had.
    ArchitectureError
        If it is another network, or answers something else and the head is not a fresh one.
    """
    from lensfinder.zoo import open_preset

    if recipe.start is None:
        return None
    base = open_preset(recipe.start)
    targets = ("p_lens",) if recipe.task == "finder" else recipe.truth_columns
    same = [("network", recipe.network.name, base.config.builder)]
    if not recipe.fresh_head:
        same += [
            ("task", recipe.task, base.task),
            ("targets", tuple(targets), tuple(base.targets)),
        ]
    for what, here, there in same:
        if here != there:
            raise ArchitectureError(
                f"{recipe.preset} cannot start from {base.name}: its {what} is {here}, that of "
                f"the preset is {there}."
            )
    copy_weights(base, model, fresh_head=recipe.fresh_head)
    but = " but for the layers that answer" if recipe.fresh_head else ""
    return f"weights of {base.name} ({base.fingerprint}){but}"


def copy_weights(base, model, *, fresh_head: bool = False, remedy=REMEDY) -> None:
    """Assign a preset's weights to another network.

    Parameters
    ----------
    base : Preset
        Where they come from; nothing is shared with it afterwards.
    model : keras.Model
        With the same weights by name and shape; its stamps may be of another size.
    fresh_head : bool
        Leave the layers that answer (`lensfinder.zoo.inputs.HEAD`) as they are, in both.
    remedy : str
        What to do if they are not, for the message.

    Raises
    ------
    ArchitectureError
        If the weights do not fit, or there is no head to leave; then none is assigned.
    """
    from lensfinder.zoo.weights import array_of, weight_table

    tables = [weight_table(base.load(calibrated=False)), weight_table(model)]
    if fresh_head and not any(_answers(name) for name in tables[1]):
        raise ArchitectureError(
            f"This network ends in layers of its own, so its head cannot be told from the rest of "
            f"{base.name}. Leave fresh_head out."
        )
    if fresh_head:
        tables = [{name: v for name, v in t.items() if not _answers(name)} for t in tables]
    old, new = tables
    shapes = [{name: tuple(v.shape) for name, v in table.items()} for table in (old, new)]
    if shapes[0] != shapes[1]:
        odd = sorted(set(shapes[0].items()) ^ set(shapes[1].items()))[:3]
        raise ArchitectureError(
            f"The weights of {base.name} do not fit this input; first differences: {odd}. {remedy}"
        )
    for name, variable in new.items():
        variable.assign(array_of(old[name]))


def _answers(name: str) -> bool:
    return name.split("/")[0] in HEAD
