"""``python -m stepscope_tui.cli`` is the ``stepscope`` command."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
