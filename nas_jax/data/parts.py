"""Where the parts of a data set lie: files or folders that are named after them."""

from pathlib import Path

from nas_jax.errors import UserError

PART_NAMES = {"train": ("train",), "val": ("val", "validation", "valid", "dev"), "test": ("test",)}


def find_parts(path: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """The files of a folder by part, of which "train" has to be there; or the one file.

    Raises:
        UserError: there is nothing of the kind.
    """
    if path.is_file():
        return {"train": path}
    files = {file.name.lower(): file for file in sorted(path.iterdir()) if file.is_file()} if path.is_dir() else {}
    found = {
        part: files[f"{name}{suffix}"]
        for part, names in PART_NAMES.items()
        for name in reversed(names)
        for suffix in reversed(suffixes)
        if f"{name}{suffix}" in files
    }
    if "train" not in found:
        wanted = " or ".join(f"train{suffix}" for suffix in suffixes)
        raise UserError(f"data.path={str(path)!r}: there is no {wanted}; name a folder that has one, or a file")
    return found


def folders_of_parts(root: Path) -> dict[str, Path]:
    """The folders of parts in a folder, whatever their letters' case.

    Raises:
        UserError: two are of one part.
    """
    names = {folder.name.lower(): folder for folder in sorted(root.iterdir()) if folder.is_dir()}
    found = {}
    for part, aliases in PART_NAMES.items():
        folders = [names[alias] for alias in aliases if alias in names]
        if len(folders) > 1:
            raise UserError(
                f"data.path={str(root)!r}: {folders[0].name!r} and {folders[1].name!r} are both folders of validation "
                "examples; take one away"
            )
        if folders:
            found[part] = folders[0]
    return found
