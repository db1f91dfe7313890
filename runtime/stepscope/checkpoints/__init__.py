"""Checkpoints: what they hold, how they are encoded, and where they are kept (BAR-4..6)."""
