"""Write which curves TensorBoard shows together, and the columns of HPARAMS, without torch."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar import layout_pb2, metadata
from tensorboard.plugins.hparams.summary_v2 import HParam, Metric, hparams_config_pb
from tensorboard.util.tensor_util import make_tensor_proto

from mlp_lab.storage.files import write_whole
from mlp_lab.storage.tensorboard import records


def write_layout(
    folder: Path,
    charts: Mapping[str, str],
    settings: Sequence[str],
    metrics: Mapping[str, str],
) -> None:
    """Write an event file that arranges the runs in and below ``folder``.

    TensorBoard uses it for all runs that it shows.

    Args:
        folder: folder of the event file.
        charts: regular expression of the curves in each chart of CUSTOM SCALARS, by title.
        settings: settings in HPARAMS, in the order of their columns.
        metrics: name of the column in HPARAMS by the name of a curve, in the order of the columns.
    """
    now = time.time()
    summaries = [_chart_layout(charts)]
    if settings:
        columns = [Metric(tag, display_name=name) for tag, name in metrics.items()]
        summaries.append(hparams_config_pb([HParam(key) for key in settings], columns))
    events = (
        Event(wall_time=now, file_version="brain.Event:2"),
        *(Event(wall_time=now, step=0, summary=summary) for summary in summaries),
    )
    content = records(event.SerializeToString() for event in events)
    write_whole(folder / "events.out.tfevents.0.layout", content)


def _chart_layout(charts: Mapping[str, str]) -> Summary:
    """Return the layout of CUSTOM SCALARS. (TensorBoard's function for it needs TensorFlow.)"""
    category = layout_pb2.Category(
        title="training and validation",
        chart=[
            layout_pb2.Chart(
                title=title, multiline=layout_pb2.MultilineChartContent(tag=[expression])
            )
            for title, expression in charts.items()
        ],
    )
    layout = layout_pb2.Layout(category=[category]).SerializeToString()
    value = Summary.Value(
        tag=metadata.CONFIG_SUMMARY_TAG,
        tensor=make_tensor_proto(layout),
        metadata=metadata.create_summary_metadata(),
    )
    return Summary(value=[value])
