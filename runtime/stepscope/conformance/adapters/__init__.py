"""Adapters, one module an engine; each has ``make()`` and is imported only when its engine is asked for."""
