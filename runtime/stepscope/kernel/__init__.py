"""The kernel: the concurrency semantics, without I/O, clock or event loop.

Drivers feed it operations (`ops`) of invocations; it decides what happens, in one total order, and says so as
events. Nothing here may import asyncio, threading, time or a recorder.
"""

from .kernel import Inboxes, Kernel
from .model import Invocation, Plan, Ticket

__all__ = ["Inboxes", "Invocation", "Kernel", "Plan", "Ticket"]
