"""What ``stepscope demo`` records: a small program, part of the package so that it runs anywhere."""
