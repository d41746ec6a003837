"""The measurements in results.csv, one a row: what, with which method, and the value or why there is none."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

NOT_INSTALLED = "not installed"
NOT_RUN = "not run"


class Label(NamedTuple):
    quantity: str
    method: str
    n: int  # training rows
    seed: int
    starts: int
    threads: int  # of the linear algebra, except that of XLA


class Results:
    """Measurements by label, saved after each; a later one of the same label takes the place of the earlier."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values: dict[Label, float] = {}
        self.notes: dict[Label, str] = {}
        for row in csv.DictReader(path.open()) if path.exists() else ():
            numbers = (int(row[name]) for name in ("n", "seed", "starts", "threads"))
            self._set(Label(row["quantity"], row["method"], *numbers), row["value"], row["note"])

    def add(self, label: Label, measured: Mapping[str, float]) -> None:
        """Values of several quantities, in place of that of the label."""
        for quantity, value in measured.items():
            self._set(label._replace(quantity=quantity), value, "")
        self._save(label, *(f"{quantity} {value:.6g}" for quantity, value in measured.items()))

    def add_note(self, label: Label, note: str) -> None:
        """Why there is no value."""
        self._set(label, "", note)
        self._save(label, note)

    def _set(self, label: Label, value: float | str, note: str) -> None:
        self.values[label] = float(value) if value != "" else float("nan")
        self.notes[label] = note

    def _save(self, label: Label, *news: str) -> None:
        print(label.method, f"n={label.n} seed={label.seed}", *news, sep="  ", flush=True)
        part = self.path.with_suffix(".part")
        with part.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow((*Label._fields, "value", "note"))
            for known, number in sorted(self.values.items()):
                writer.writerow((*known, "" if self.notes[known] else f"{number:.8g}", self.notes[known]))
        part.replace(self.path)

    def has(self, label: Label) -> bool:
        """Whether it was measured, or left out because it takes too long."""
        return label in self.values and self.notes[label] != NOT_INSTALLED
