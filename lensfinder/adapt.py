"""Adapt a preset to another survey with few labelled images: ``adapt``, ``lensfinder adapt``."""

from pathlib import Path

from lensfinder.data import Labelled, contract_of, read_labelled
from lensfinder.errors import ArgumentError, OutputExistsError
from lensfinder.predict import Fitting
from lensfinder.specs import View


def adapt(
    preset,
    labelled,
    output,
    *,
    labels=None,
    survey=None,
    view: View | None = None,
    tuning=None,
    layout=None,
    fitting: Fitting | None = None,
    resample: bool = False,
    validation: Labelled | None = None,
    test: Labelled | None = None,
    overwrite: bool = False,
    note=None,
):
    """Train a preset on for a new survey, and write the result as a preset of its own.

    Other bands, stamp sizes and pixel scales are brought to what the base network knows inside the
    new preset's network, as its input contract says: raw images of the new survey go in. The
    preprocessing (stretch or clipping) is adapted to the new images; then weights are trained. With
    few images the number of epochs is chosen by cross-validation, whose answers on objects that
    they were not trained on are also what is measured; all objects are trained on in the end.
    A finder is calibrated on answers to objects that it was not trained on, if there are 20 lenses
    and 20 others among them; its probabilities are then for as many lenses as among the objects,
    and `find` can take them to another prevalence.

    Parameters
    ----------
    preset : str, path or Preset
        The base. It is read, and nothing of it is changed.
    labelled : path, sequence of path, or Labelled
        A folder of shards, or images beside a table of labels; or what was read already.
    output : path
        Folder of the new preset.
    labels : path or None
        Table with the columns ``id`` and ``label`` (0 or 1), or the parameters of a modeller. By
        default ``labels.*`` or ``truth.*`` in the folder of the images.
    survey : str, path or None
        The survey of the images; by default what shards or files say.
    view : View or None
        Which band goes where, and how stamps are brought to size.
    tuning : lensfinder.training.Tuning or None
        What is trained, and how.
    layout : str, path or None
        Layout of the files, if they are not ours.
    fitting : Fitting or None
        What else is done to make files fit the survey.
    resample : bool
        Whether files of another pixel scale than the survey's are resampled.
    validation : Labelled or None
        Objects to stop by, instead of cross-validation or a part of `labelled`.
    test : Labelled or None
        Objects to measure on.
    overwrite : bool
        Whether a preset in `output` may be replaced.
    note : callable or None
        Told in words what has been done.

    Returns
    -------
    Preset
        The new preset.

    Raises
    ------
    OutputExistsError
        If the place is taken; before anything is read.
    ArgumentError
        If `output` is the folder of the base, or holds it or lies in it, whatever `overwrite` says.
    UnknownNameError, InputContractError
        If it is not clear which band goes where, or there is no such band.
    LabelError
        If images and labels do not go together, or nothing can be learned from them.
    TrainingDivergedError
        If the loss is no longer finite.
    """
    from lensfinder.training.adaptation import adaptation
    from lensfinder.training.adaptation_card import adaptation_card
    from lensfinder.training.evaluation import headline
    from lensfinder.training.finetuning import Tuning
    from lensfinder.zoo import Preset, open_preset, save_preset

    output = Path(output)
    if output.exists() and not overwrite:
        raise OutputExistsError(
            f"{output} exists. Choose another folder, or overwrite it with --overwrite "
            "(overwrite=True).",
            path=str(output),
        )
    base = preset if isinstance(preset, Preset) else open_preset(preset)
    _leave_alone(base, output)
    how = {"layout": layout, "resample": resample, **(fitting or Fitting()).arguments()}
    how.pop("band_map")  # the view says which band goes where
    targets = base.targets if base.task == "modeller" else ("label",)
    held = labelled.contract if isinstance(labelled, Labelled) else None
    held = held or contract_of(labelled, survey, layout=layout)
    contract = (view or View()).contract(base.contract, held)
    if isinstance(labelled, Labelled):
        data = labelled
    else:
        data = read_labelled(labelled, contract, targets=targets, labels=labels, **how)
    found = adaptation(
        base,
        data,
        contract,
        tuning=tuning or Tuning(),
        validation=validation,
        test=test,
        note=note or (lambda text: None),
    )
    return save_preset(
        output,
        found.model,
        builder=base.config.builder,
        arguments=base.config.arguments,
        task=base.task,
        targets=base.targets,
        contract=contract,
        metrics=found.figures,
        card=adaptation_card(base, contract, found.figures),
        headline=headline(found.figures),
        calibration=found.calibration,
        plane=base.config.plane,
        overwrite=overwrite,
    )


def _leave_alone(base, output):
    """Refuse a place that cannot be written without changing the base's folder."""
    home, place = base.folder.resolve(), output.resolve()
    if place == home or place in home.parents or home in place.parents:
        raise ArgumentError(
            f"{output} is, holds or lies in the folder of the base {base.name}, {home}, which "
            "adaptation must not change. Choose another folder for the new preset.",
            path=str(output),
        )
