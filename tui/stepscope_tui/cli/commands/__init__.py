"""One command a file; each file calls its command `command`."""
