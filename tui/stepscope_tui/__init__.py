"""Stepscope's terminal debugger and its command line."""
