"""Options of conf/, and callbacks in a config, that have a new name."""

import re

#: The new name of each renamed option, by config group and old name.
RENAMED_OPTIONS: dict[str, dict[str, str]] = {
    "callbacks": {
        "ct": "reconstructions",
        "pictures": "image_progress",
        "variants": "augmented_examples",
    },
    "optimizer": {
        "adam_cycle": "adam_one_cycle",
        "adam_fast": "adam_lr_0_03",
        "adam_slow": "adam_lr_0_0003",
        "adamw_cycle": "adamw_one_cycle",
        "adamw_decay": "adamw_one_cycle_strong_decay",
    },
    "sweep": {
        "ladder": "three_seeds_tested",
        "mappings": "tancik_photographs",
        "mappings_text": "tancik_text",
        "minima": "minima_over_seeds",
        "mnist_committee": "mnist_ensemble",
        "sigma": "gaussian_sigmas",
    },
}

#: The new key of each renamed callback, by its old key below ``callbacks``.
RENAMED_CALLBACKS: dict[str, str] = {
    "features": "encoding_features",
    "pictures": "image_progress",
    "variants": "augmented_examples",
}

#: The new dotted key of each renamed key, by the old one.
RENAMED_KEYS: dict[str, str] = {
    "data.file": "data.path",
    **{f"callbacks.{old}": f"callbacks.{new}" for old, new in RENAMED_CALLBACKS.items()},
}

_OLD_KEY = re.compile(rf"(?<![\w./])({'|'.join(map(re.escape, RENAMED_KEYS))})(?!\w)")


def with_new_keys(text: str) -> str:
    """Return a text with the new name of each renamed key in it.

    Args:
        text: dotted key, or an override: ``callbacks.pictures.every=2``.
    """
    return _OLD_KEY.sub(lambda match: RENAMED_KEYS[match[1]], text)
