"""What the plugins of TensorBoard show of a folder."""

from pathlib import Path

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import get_experiment, list_session_groups
from tensorboard.plugins.hparams.api_pb2 import (
    STATUS_SUCCESS,
    ColParams,
    Experiment,
    GetExperimentRequest,
    ListSessionGroupsRequest,
    SessionGroup,
)
from tensorboard.plugins.hparams.backend_context import Context


def hparams(folder: Path) -> tuple[Experiment, dict[str, SessionGroup]]:
    """Return the columns and the rows by run of TensorBoard's HPARAMS plugin."""
    events = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    data = MultiplexerDataProvider(events, str(folder))
    hparams = Context(TBContext(data_provider=data, logdir=str(folder)))
    columns = get_experiment.Handler(RequestContext(), hparams, "", GetExperimentRequest()).run()
    asked = ListSessionGroupsRequest(
        allowed_statuses=[STATUS_SUCCESS],
        slice_size=1000,
        col_params=[ColParams(hparam=c.name, include_in_result=True) for c in columns.hparam_infos],
    )
    answer = list_session_groups.Handler(RequestContext(), hparams, "", asked).run()
    return columns, {row.name: row for row in answer.session_groups}
