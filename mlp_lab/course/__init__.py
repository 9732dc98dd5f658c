"""The lecture's claims and worked examples."""
