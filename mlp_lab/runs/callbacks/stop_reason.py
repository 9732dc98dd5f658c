"""Why a callback ended a run before its last epoch."""

from mlp_lab.lightning import callbacks_of, pl

_Reason = pl.callbacks.early_stopping.EarlyStoppingReason


def stop_reason(trainer: pl.Trainer) -> str | None:
    """Return the reason of the callback that stopped a run early; None if none did."""
    if not trainer.should_stop:
        return None
    reasons = map(_reason, callbacks_of(trainer))
    return next(filter(None, reasons), None)


def _reason(callback: pl.Callback) -> str | None:
    if not isinstance(callback, pl.callbacks.EarlyStopping):
        return getattr(callback, "ended", None)
    count = callback.wait_count
    texts = {
        _Reason.PATIENCE_EXHAUSTED: (
            f"has not improved in {count} validation{'s' if count != 1 else ''}"
        ),
        _Reason.STOPPING_THRESHOLD: f"is better than {callback.stopping_threshold}",
        _Reason.NON_FINITE_METRIC: "is not finite",
    }
    text = texts.get(callback.stopping_reason)
    return text and f"stopped early: {callback.monitor} {text}"
