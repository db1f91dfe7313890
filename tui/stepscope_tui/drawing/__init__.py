"""What the panels draw, as pure functions from facts of a run to styled rows; nothing here knows of widgets."""
