"""How time passes: drivers run the handlers of a superstep and feed the kernel their operations."""
