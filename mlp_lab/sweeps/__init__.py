"""Many runs: planning, stacked training, launchers, resuming."""
