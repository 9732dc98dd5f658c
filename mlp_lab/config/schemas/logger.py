"""Schemas of the options in conf/logger/."""

from mlp_lab.config.limits import limited, schema


@schema
class TensorBoard:
    _target_: str = "mlp_lab.runs.logger.TensorBoard"
    x_axis: str = limited(one_of=("epoch", "step"))
