"""One file for each family of spans: which events it is made of, its name, its place, its links."""
