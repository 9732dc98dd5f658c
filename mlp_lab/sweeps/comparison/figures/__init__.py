"""Figures of many runs: functions from arrays to matplotlib figures."""
