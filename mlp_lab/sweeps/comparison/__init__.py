"""Tables, figures and model selection over many runs."""
