"""The samples are plain files next to each other, as a person runs them: their folder is on the path."""

import sys
from pathlib import Path

SAMPLES = Path(__file__).parents[2] / "samples"

if str(SAMPLES) not in sys.path:
    sys.path.insert(0, str(SAMPLES))
