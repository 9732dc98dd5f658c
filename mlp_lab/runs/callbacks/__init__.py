"""Lightning callbacks: what a run stores and draws while it trains."""
