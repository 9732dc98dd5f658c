"""How fast training is: what ``scripts/benchmark.py`` measures."""
