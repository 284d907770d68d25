from billing.models.quota import Quota, QuotaPeriod, QuotaScope, QuotaUse, Reservation
from billing.models.usage import Usage

__all__ = ["Quota", "QuotaPeriod", "QuotaScope", "QuotaUse", "Reservation", "Usage"]
