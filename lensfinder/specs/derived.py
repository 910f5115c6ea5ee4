"""Specifications that say only what differs from another one: ``based_on: pearson2019-train``."""

from pathlib import Path

from lensfinder.errors import SpecError, UnknownNameError
from lensfinder.specs._yaml import read_yaml

BASE = "based_on"
LONGEST_CHAIN = 8  # files that are based on each other


def read_spec(path, kind: str, files: dict) -> dict:
    """Read a specification, completed by the one that it is based on, if it names one.

    Parameters
    ----------
    path : str or Path
        YAML file. ``based_on`` in it is a name, or another file's path seen from this file.
    kind : str
        What it specifies, for messages.
    files : dict of str to Path
        Files of the names that come with the package.

    Returns
    -------
    dict
        Plain data without ``based_on``, see `merged`.

    Raises
    ------
    SpecError
        If a file cannot be read, has no name of its own, or the chain does not end.
    UnknownNameError
        If the base is neither a known name nor a YAML file.
    """
    changes, path = [], Path(path)
    for _ in range(LONGEST_CHAIN):
        data = read_yaml(path)
        if BASE not in data:
            for change in reversed(changes):
                data = merged(data, change)
            return data
        base = str(data.pop(BASE))
        if "name" not in data:
            raise SpecError(
                f"{path}: is based on {base}, so it needs a name of its own. Add `name:`.",
                file=str(path),
            )
        changes.append(data)
        if base.endswith((".yaml", ".yml")):
            path = path.parent / base
        elif base in files:
            path = files[base]
        else:
            raise UnknownNameError(kind, base, files)
    raise SpecError(
        f"{path}: the files are based on each other without end, or more than {LONGEST_CHAIN} "
        f"deep. Write one of them out without `{BASE}:`.",
        file=str(path),
    )


def merged(base, change):
    """One piece of plain data with the changes of another.

    Mappings are merged key by key, and ``null`` takes a key away. Two kinds are replaced as a
    whole: a number or prior with its `source`, because the origin changes with the number, and a
    part whose `kind` changes. Of a number or prior only the unit stays, if the change has a
    `source` of its own and no unit. Lists of things with names (groups, bands) are merged by
    name; any other list is replaced.

    Parameters
    ----------
    base, change : object
        Plain data.

    Returns
    -------
    object
        Plain data; neither argument is changed.
    """
    if isinstance(base, dict) and isinstance(change, dict):
        if isinstance(base.get("source"), str):
            same = "unit" in base and "source" in change and "unit" not in change
            return {**change, "unit": base["unit"]} if same else change
        if _kinds_differ(base, change):
            return change
        found = {**base}
        for key, value in change.items():
            if value is None:
                found.pop(key, None)
            else:
                found[key] = merged(base.get(key), value)
        return found
    if _named(base) and _named(change):
        new = {item["name"]: item for item in change}
        old = [merged(item, new.pop(item["name"], {})) for item in base]
        return old + list(new.values())
    return change


def _kinds_differ(base, change) -> bool:
    return "kind" in change and change["kind"] != base.get("kind")


def _named(items) -> bool:
    return isinstance(items, list) and all(
        isinstance(item, dict) and isinstance(item.get("name"), str) for item in items
    )
