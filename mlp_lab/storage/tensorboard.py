"""Write a text and images to an event file of TensorBoard, without torch."""

import io
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

from mlp_lab.storage.files import write_whole

#: Prefix of the curves that have one point, the value of the chosen epoch. TensorBoard sorts curves
#: by name, and lists these last.
BEST_EPOCH = "~best"


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
    events = (
        Event(wall_time=now, file_version="brain.Event:2"),
        *(Event(wall_time=now, step=0, summary=summary) for summary in summaries),
    )
    # A new name each time, since TensorBoard does not reload a file that it has read to the end.
    path = folder / f"events.out.tfevents.{time.time_ns()}{suffix}"
    write_whole(path, records(event.SerializeToString() for event in events))
    for old in before:
        old.unlink()


def drop_later_events(folder: Path, last_step: Callable[[Summary.Value], int]) -> None:
    """Remove events of a run that was killed, if its resumed training repeats them.

    Files without such events are not changed: one of them is still being written.

    Args:
        folder: folder of the event files.
        last_step: function from a point of a curve or an image to the last step that is kept.
    """
    for path in sorted(folder.glob("events.out.tfevents.*")):
        kept, dropped = [], False
        for record in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(record)
            if any(event.step > last_step(value) for value in event.summary.value):
                dropped = True  # each event of these files has one value
            else:
                kept.append(record)
        if dropped:
            write_whole(path, records(kept))


def move_before_now(folder: Path) -> None:
    """Rename event files whose names do not sort before that of a file which is created now.

    TensorBoard reads files in the order of their names, which start with a time in seconds. That of
    an earlier file is not smaller if the clock has jumped back, or within one second.
    """
    now, start = int(time.time()), "events.out.tfevents."
    paths = sorted(folder.glob(f"{start}*"))
    names = [path.name.removeprefix(start).partition(".") for path in paths]
    if all(time_text.isdecimal() and int(time_text) < now for time_text, _, _ in names):
        return
    for number, (path, (_, _, rest)) in enumerate(zip(paths, names, strict=True)):
        path.rename(path.with_name(f"{start}{now - len(paths) + number}.{rest}"))


def scalar_points(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return all points (step, value) of the curves in event files, by tag, as they were written.

    A resumed run has several files. TensorBoard reads them in the order of their names.
    """
    points: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for record in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(record)
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    points.setdefault(value.tag, []).append((event.step, value.simple_value))
    return points


def last_picture(folder: Path, name: str) -> bytes | None:
    """Return the newest image of a name in event files, as the content of a PNG file.

    Args:
        folder: folder of the event files.
        name: tag of the image, with ``_`` instead of ``/``.
    """
    content = None
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for record in RawEventFileLoader(str(path)).Load():
            for value in Event.FromString(record).summary.value:
                if value.HasField("image") and value.tag.replace("/", "_") == name:
                    content = value.image.encoded_image_string
    return content


def records(events: Iterable[bytes]) -> bytes:
    """Return the content of an event file."""
    content = io.BytesIO()
    writer = RecordWriter(content)
    for event in events:
        writer.write(event)
    return content.getvalue()


def picture(tag: str, png: bytes) -> Summary:
    """Return the content of a PNG file as an image summary."""
    width, height = struct.unpack(">2I", png[16:24])
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
    return Summary(value=[Summary.Value(tag=tag, image=image)])
