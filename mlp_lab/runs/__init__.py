"""One run: train, evaluate, predict, ensemble. Start reading in train.py."""
