"""TensorBoard's event files, written and read without TensorFlow.

The library's own EventFileWriter would import TensorFlow where that is installed, and take the GPU with it.
"""

import os
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.metadata import NULL_TENSOR, SESSION_END_INFO_TAG, create_summary_metadata
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from tensorboard.plugins.hparams.summary_v2 import Discrete, HParam, Metric, hparams_config_pb, hparams_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter


class EventFile:
    """A new event file in `folder`, made when there is something to write. Each record goes to the system whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: FileIO | None = None

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by tag, in one record."""
        self._write(step, [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])

    def text(self, tag: str, text: str) -> None:
        """Markdown, which the dashboard shows cleaned of HTML that could act."""
        self._write(0, text_pb(tag, text).value)

    def columns(self, choices: Mapping[str, Sequence[Any]], metrics: Sequence[str]) -> None:
        """The columns of the tab "hparams": parameters, with their choices where these are known, and tags of scalars.

        A column whose choices are of several types gets no list of them.
        """
        parameters = [
            HParam(name, Discrete(listed) if _is_of_one_type(listed) else None) for name, listed in choices.items()
        ]
        self._write(0, hparams_config_pb(parameters, [Metric(metric) for metric in metrics]).value)

    def row(self, name: str, parameters: Mapping[str, bool | int | float | str]) -> None:
        """A row of the tab, to which all that is in this folder belongs."""
        self._write(0, hparams_pb(dict(parameters), trial_id=name).value)

    def row_end(self, *, is_success: bool) -> None:
        """How it ended."""
        status = "STATUS_SUCCESS" if is_success else "STATUS_FAILURE"
        end = HParamsPluginData(session_end_info=SessionEndInfo(status=status, end_time_secs=time.time()))
        metadata = create_summary_metadata(end)
        self._write(0, [Summary.Value(tag=SESSION_END_INFO_TAG, metadata=metadata, tensor=NULL_TENSOR)])

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _write(self, step: int, values: Iterable[Any]) -> None:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Readers take the files of a folder in the order of their names.
            self._file = FileIO(self._folder / f"events.out.tfevents.{time.time_ns():020d}.{os.getpid()}", "x")
            version = Event(wall_time=time.time(), file_version="brain.Event:2")
            RecordWriter(self._file).write(version.SerializeToString())
        event = Event(wall_time=time.time(), step=step, summary=Summary(value=values))
        RecordWriter(self._file).write(event.SerializeToString())


def read_events(folder: Path) -> Iterator[Any]:
    """The events of all files in a folder, without one at the end of a file that was not written whole.

    A record is the length of its content in 8 bytes, a checksum in 4, the content, and a checksum in 4.
    """
    for path in sorted(folder.glob("events.*")):
        content, start = path.read_bytes(), 0
        while start + 12 <= len(content):
            (size,) = struct.unpack_from("<Q", content, start)
            end = start + 12 + size
            if end + 4 > len(content):
                break
            yield Event.FromString(content[start + 12 : end])
            start = end + 4


def _is_of_one_type(values: Sequence[Any]) -> bool:
    return {type(value) for value in values} in ({bool}, {int}, {float}, {str})
