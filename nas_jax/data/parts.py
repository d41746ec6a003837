"""Where the parts of a data set lie: files or folders that are named after them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from nas_jax.data.folders import check_link
from nas_jax.errors import UserError

PART_NAMES = {"train": ("train",), "val": ("val", "validation", "valid", "dev"), "test": ("test",)}
_WORDS = {"train": "training", "val": "validation", "test": "test"}


def find_parts(path: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of a folder by part, whatever their letters' case, of which "train" has to be there; or the one file.

    Raises:
        UserError: there is nothing of the kind, two files are of one part, or one is a link that leads to nothing.
    """
    if path.is_file():
        return {"train": path}
    names = {part: [f"{name}{suffix}" for name in PART_NAMES[part] for suffix in suffixes] for part in PART_NAMES}
    named = _named(path, names) if path.is_dir() else {}
    files = {part: [each for each in named[part] if each.is_file()] for part in named}
    found = _one_of_each(path, files, "files")
    if "train" not in found:
        wanted = " or ".join(f"train{suffix}" for suffix in suffixes)
        raise UserError(f"data.path={str(path)!r}: there is no {wanted}; name a folder that has one, or a file")
    return found


def folders_of_parts(root: Path) -> dict[str, Path]:
    """The folders of parts in a folder, whatever their letters' case.

    Raises:
        UserError: two are of one part, or one is a link that leads to nothing.
    """
    named = _named(root, PART_NAMES)
    folders = {part: [each for each in named[part] if each.is_dir()] for part in named}
    return _one_of_each(root, folders, "folders")


def is_part(name: str) -> bool:
    """Whether a folder of this name may be one of a part."""
    return any(name.lower() in names for names in PART_NAMES.values())


def both_of_one_part(first: str, second: str, part: str, kind: str) -> str:
    """What is wrong with two of a `kind`, and what to do."""
    return f"{first!r} and {second!r} are both {kind} of {_WORDS[part]} examples; take one away"


def _named(folder: Path, names: Mapping[str, Iterable[str]]) -> dict[str, list[Path]]:
    """What has one of the names of each part, which are in small letters."""
    lying = sorted(folder.iterdir())
    found = {part: [each for each in lying if each.name.lower() in names[part]] for part in names}
    for each in (each for paths in found.values() for each in paths):
        check_link(each)
    return found


def _one_of_each(root: Path, found: Mapping[str, list[Path]], kind: str) -> dict[str, Path]:
    for part, paths in found.items():
        if len(paths) > 1:
            raise UserError(f"data.path={str(root)!r}: {both_of_one_part(paths[0].name, paths[1].name, part, kind)}")
    return {part: paths[0] for part, paths in found.items() if paths}
