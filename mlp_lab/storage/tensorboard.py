"""Write a text and images to an event file of TensorBoard, without torch."""

import io
import struct
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from mlp_lab.storage.files import write_whole


def write_event_file(
    folder: Path, text: str, pictures: Mapping[str, bytes], tag: str = "summary"
) -> None:
    """Write an event file that replaces an earlier one with the same ``tag``.

    Args:
        folder: folder of the event files.
        text: Markdown, which TensorBoard shows in TEXT.
        pictures: content of PNG files by name, which TensorBoard shows in IMAGES.
        tag: name of the text, and prefix of the names of the images.
    """
    now = time.time()
    suffix = f".{tag}"  # no run's event file ends like this
    before = list(folder.glob(f"events.out.tfevents.*{suffix}"))
    summaries = [text_pb(tag, text), *(picture(f"{tag}/{n}", p) for n, p in pictures.items())]
    content = io.BytesIO()
    writer = RecordWriter(content)
    for event in (
        Event(wall_time=now, file_version="brain.Event:2"),
        *(Event(wall_time=now, step=0, summary=summary) for summary in summaries),
    ):
        writer.write(event.SerializeToString())
    # A new name each time, since TensorBoard does not reload a file that it has read to the end.
    path = folder / f"events.out.tfevents.{time.time_ns()}{suffix}"
    write_whole(path, content.getvalue())
    for old in before:
        old.unlink()


def picture(tag: str, png: bytes) -> Summary:
    """Return the content of a PNG file as an image summary."""
    width, height = struct.unpack(">2I", png[16:24])
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
    return Summary(value=[Summary.Value(tag=tag, image=image)])
