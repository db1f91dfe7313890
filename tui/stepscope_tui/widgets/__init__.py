"""Widgets that know nothing of runs: building blocks of the panels."""
