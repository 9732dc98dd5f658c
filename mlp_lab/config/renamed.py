"""Options of conf/ that have a new name."""

#: The new name of each renamed option, by config group and old name.
RENAMED_OPTIONS: dict[str, dict[str, str]] = {
    "callbacks": {
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
