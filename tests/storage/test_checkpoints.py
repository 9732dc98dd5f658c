"""Reading of checkpoint files."""

from pathlib import Path

import torch

from mlp_lab.storage.checkpoints import read_checkpoint, stopped_early, trained_epochs


def test_states_of_callbacks_with_old_names_are_kept_in_new_checkpoints(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    states = {"EpochCheckpoint": {"history": []}, "Layers": {"rows": [1]}, "LayerRecorder": {}}
    torch.save({"state_dict": {}, "callbacks": states}, path)
    assert read_checkpoint(path)["callbacks"] == states


def test_states_of_renamed_callbacks_are_read(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    states = {
        "Keeper": {"history": [{"epoch": 1}, {"epoch": 2}], "stopped": True},
        "Layers": {"rows": [1]},
        "Pictures": {"rows": [2]},
        "Weights": {"history": [3]},
        "DecisionRegions": {"seen": {}},
    }
    torch.save({"state_dict": {}, "callbacks": states}, path)
    checkpoint = read_checkpoint(path)
    assert checkpoint["callbacks"] == {
        "EpochCheckpoint": states["Keeper"],
        "LayerRecorder": {"rows": [1]},
        "ImageProgress": {"rows": [2]},
        "FirstLayerWeights": {"history": [3]},
        "DecisionRegions": {"seen": {}},
    }
    assert trained_epochs(checkpoint) == 2
    assert stopped_early(checkpoint)
