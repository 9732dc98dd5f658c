"""The typed config: composition, validation, schemas, names. Nothing here imports torch."""
