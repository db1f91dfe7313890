"""What a recorded run tells: pure functions over its events, needing neither a file nor a screen."""

from .findings import check_events
from .lock_order import lock_orders
from .lost_updates import lost_updates

__all__ = ["check_events", "lock_orders", "lost_updates"]
