"""What the calendar owes, what can be done about it now, and what is late."""

from attn_platform.automation.configuration import AutomationConfig, Deadline, DeliveryConfig
from attn_platform.automation.deliveries import Delivery, delivery_in
from attn_platform.automation.duties import Decision, Duty, History, decide

__all__ = [
    "AutomationConfig",
    "Deadline",
    "Decision",
    "Delivery",
    "DeliveryConfig",
    "Duty",
    "History",
    "decide",
    "delivery_in",
]
