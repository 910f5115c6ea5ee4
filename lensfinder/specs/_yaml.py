"""Reading configuration files as data: YAML without tags, aliases or surprises."""

import difflib
import reprlib
from pathlib import Path

import yaml
from pydantic import BaseModel, ValidationError

from lensfinder.errors import LensfinderError, SpecError

MAX_BYTES = 64_000  # the largest of our own files is under 4 kB; reading this many takes 0.5 s
MAX_LINES = 20  # of a message
MAX_DEPTH = 40
LONGEST_NUMBER = 100  # characters; 1:1:1:... is a whole number too, and takes the square of them
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


class _StrictLoader(yaml.SafeLoader):
    """YAML as plain data; a repeated key or an alias is an error instead of a silent choice."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed")
        self._depth = getattr(self, "_depth", 0) + 1
        if self._depth > MAX_DEPTH:
            raise yaml.YAMLError(f"nested deeper than {MAX_DEPTH} levels")
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node.tag in _NUMBERS and len(node.value) > LONGEST_NUMBER:
            raise yaml.YAMLError(f"a number of {len(node.value)} characters")
        return node

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.YAMLError(f"keys must be text. Received: {key!r}")
            if key in seen:
                raise yaml.YAMLError(f"the key {key!r} stands twice")
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path) -> dict:
    """Read one YAML mapping from a file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    dict
        Plain Python data.

    Raises
    ------
    SpecError
        If the file is missing, too large, or not a plain YAML mapping.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        text = path.read_text(encoding="utf-8") if size <= MAX_BYTES else None
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the path
        raise SpecError(f"{path}: cannot be read as text ({error}). Check the path.") from error
    if text is None:
        raise SpecError(
            f"{path}: {size} bytes is too long for a specification (at most {MAX_BYTES}). "
            "Give a YAML file like those in data_specs/."
        )
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> dict:
    """Parse the text of one YAML mapping; `name` is what error messages call it.

    Parameters
    ----------
    text : str
        YAML text.
    name : str
        What to call it in messages.

    Returns
    -------
    dict
        Plain Python data.

    Raises
    ------
    SpecError
        If the text is not a plain YAML mapping.
    """
    try:
        # a SafeLoader subclass: constructs plain data only
        loader = _StrictLoader(text)
        try:
            data = loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError(f"{name}: is not plain YAML ({error}). Mend the file.") from error
    if not isinstance(data, dict):
        raise SpecError(f"{name}: must hold a mapping. Received: {type(data).__name__}.")
    return data


def validate(model: type[BaseModel], data: dict, name: str, *, strict_units: bool = True):
    """Build a frozen specification from plain data, or say which key of which file is wrong.

    Parameters
    ----------
    model : type of pydantic.BaseModel
        What to build.
    data : dict
        Plain data, e.g. from `read_yaml`.
    name : str
        File name, for messages.
    strict_units : bool
        Whether a number for a physical quantity must come with its unit.

    Returns
    -------
    pydantic.BaseModel
        An instance of `model`.

    Raises
    ------
    SpecError
        Naming the file, the key, and for an unknown key its known neighbours.
    """
    try:
        return model.model_validate(data, context={"strict_units": strict_units})
    except ValidationError as error:
        items = _causes(error.errors())
        lines = [f"{name}: {_explain(model, item)}" for item in items[:MAX_LINES]]
        if len(items) > MAX_LINES:
            lines.append(f"{name}: {len(items) - MAX_LINES} more.")
        raise SpecError("\n".join(lines), file=name, errors=lines) from error


def _causes(items) -> list[dict]:
    """Errors without those that follow from others: a list whose items fail counts as empty."""
    places = [item["loc"] for item in items]
    return [
        item
        for item in items
        if item["type"] != "too_short"
        or not any(place[: len(item["loc"])] == item["loc"] != place for place in places)
    ]


def _explain(model, item) -> str:
    where = ".".join(str(part) for part in item["loc"]) or "(top level)"
    if item["type"] == "extra_forbidden":
        known = _known_keys(model, item["loc"][:-1])
        near = difflib.get_close_matches(str(item["loc"][-1]), known, n=3, cutoff=0.3)
        hint = f"Near: {', '.join(near)}. " if near else ""
        return f"unknown key {where}. {hint}Known: {', '.join(known)}."
    if item["type"] == "missing":
        return f"the key {where} is missing. Add it."
    if item["type"] == "union_tag_not_found":
        tag = item["ctx"]["discriminator"].strip("'")
        shown = reprlib.repr(item["input"])
        return f"the key {where}.{tag} is missing. Write this part in full. Received: {shown}."
    message = item["msg"].removeprefix("Value error, ")
    cause = item.get("ctx", {}).get("error")
    if isinstance(cause, LensfinderError):
        message = str(cause)
    return f"{where}: {message} Received: {reprlib.repr(item['input'])}."


def _known_keys(model, loc) -> list[str]:
    """Field names of the model that `loc` points into, found by walking the annotations."""
    current = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        found = []
        for candidate in current:
            fields = getattr(candidate, "model_fields", {})
            if part in fields:
                found += _models_in(fields[part].annotation)
        # a union's branch adds its tag to `loc`: stay where we are
        current = found or current
    return sorted({name for candidate in current for name in candidate.model_fields})


def _models_in(annotation) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    arguments = getattr(annotation, "__args__", ())
    return [model for argument in arguments for model in _models_in(argument)]
