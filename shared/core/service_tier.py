"""Service tiers: what requests may call them, and the three that there are."""

from enum import StrEnum


class Tier(StrEnum):
    """Served in this order; `flex` may starve, which is what it means. Each has a queue of its name."""

    PRIORITY = "priority"
    DEFAULT = "default"
    FLEX = "flex"


_TIERS = {"priority": Tier.PRIORITY, "fast": Tier.PRIORITY, "ultrafast": Tier.PRIORITY, "flex": Tier.FLEX}


def tier_of(service_tier: str) -> Tier:
    """The tier that a request's `service_tier` means."""
    return _TIERS.get(service_tier, Tier.DEFAULT)
