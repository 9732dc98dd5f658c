"""LightningDataModules over tensors in memory."""
