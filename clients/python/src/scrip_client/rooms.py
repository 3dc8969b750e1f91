"""The tasks of Scrip by their names. `make docs` of Scrip writes this module from its tasks."""

from __future__ import annotations

from scrip_client.remote_task import RemoteTask
from scrip_client.transport import Transport


class Audit:
    """The tasks whose names begin with `audit.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.run = RemoteTask(transport, "audit.run", queue="sweeps", timeout=timeout)
        """Check what changed since the last audit, or everything, and store the result. Two audits never run at once."""


class Billing:
    """The tasks whose names begin with `billing.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.apply = RemoteTask(transport, "billing.apply", queue="billing", timeout=timeout)
        """Discount an invoice. A worker gathers these messages into batches for `apply_all`; this runs a single message."""
        self.apply_many = RemoteTask(transport, "billing.apply_many", queue="billing", timeout=timeout)
        """Discount up to 1,000 invoices, in the order sent."""
        self.list = RemoteTask(transport, "billing.list", queue="billing", timeout=timeout)
        """List discounted invoices, newest first, in pages, each with its latest reversal."""
        self.preview = RemoteTask(transport, "billing.preview", queue="billing", timeout=timeout)
        """Return the future answers of `billing.apply` to the invoices of a plan, also as if vouchers were redeemed now."""
        self.retrieve = RemoteTask(transport, "billing.retrieve", queue="billing", timeout=timeout)
        """Return the answer to an invoice, with all reversals and credits since."""
        self.reverse = RemoteTask(transport, "billing.reverse", queue="billing", timeout=timeout)
        """Reverse the discounts of an invoice, or the share of them that belongs to refunded lines."""


class Codes:
    """The tasks whose names begin with `codes.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.list = RemoteTask(transport, "codes.list", queue="admin", timeout=timeout)
        """Return a page of the codes of a voucher, with the cursors of the neighbouring pages."""
        self.retire = RemoteTask(transport, "codes.retire", queue="admin", timeout=timeout)
        """Retire a code, which can no longer be redeemed after that. Granted discounts stay."""


class Customers:
    """The tasks whose names begin with `customers.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.erase = RemoteTask(transport, "customers.erase", queue="admin", timeout=timeout)
        """Put a pseudonym in the place of a customer's id, in every row and for good."""


class DeadLetters:
    """The tasks whose names begin with `dead_letters.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.list = RemoteTask(transport, "dead_letters.list", queue="admin", timeout=timeout)
        """List the messages of a project that were given up, newest first, in pages, without any value that was sent."""


class DinteroDiscounts:
    """The tasks whose names begin with `dintero.discounts.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.usages = RemoteTask(transport, "dintero.discounts.usages", queue="admin", timeout=timeout)
        """Return a page of a discount's usages, as a bare list."""


class Dintero:
    """The tasks whose names begin with `dintero.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.discounts = DinteroDiscounts(transport, timeout=timeout)


class Discounts:
    """The tasks whose names begin with `discounts.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.end = RemoteTask(transport, "discounts.end", queue="admin", timeout=timeout)
        """End a discount, so that it takes nothing off any further invoice."""
        self.extend = RemoteTask(transport, "discounts.extend", queue="admin", timeout=timeout)
        """Extend a discount by months or cycles. A completed discount that then has something left runs again."""
        self.import_ = RemoteTask(transport, "discounts.import", queue="admin", timeout=timeout)
        """Import a discount of another system with its cycles and amounts so far."""
        self.import_many = RemoteTask(transport, "discounts.import_many", queue="admin", timeout=timeout)
        """Import up to 1,000 discounts of another system, in the order sent."""
        self.list = RemoteTask(transport, "discounts.list", queue="admin", timeout=timeout)
        """List discounts, newest first, in pages."""
        self.move = RemoteTask(transport, "discounts.move", queue="admin", timeout=timeout)
        """Move a discount to another subscription, with its window, its cycles and its balance."""
        self.retrieve = RemoteTask(transport, "discounts.retrieve", queue="admin", timeout=timeout)
        """Return a discount as it is now."""


class Expiry:
    """The tasks whose names begin with `expiry.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.prune = RemoteTask(transport, "expiry.prune", queue="sweeps", timeout=timeout)
        """Delete refused requests, dead letters and stored answers that were kept as long as the settings say."""
        self.sweep = RemoteTask(transport, "expiry.sweep", queue="sweeps", timeout=timeout)
        """Retire expired and full vouchers and codes, complete discounts whose window has ended, and lapse holds."""


class Generations:
    """The tasks whose names begin with `generations.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.retrieve = RemoteTask(transport, "generations.retrieve", queue="admin", timeout=timeout)
        """Return a generation of codes as it is now."""


class GigsVouchers:
    """The tasks whose names begin with `gigs.vouchers.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.create = RemoteTask(transport, "gigs.vouchers.create", queue="admin", timeout=timeout)
        """Create a voucher, once for each task id."""
        self.list = RemoteTask(transport, "gigs.vouchers.list", queue="admin", timeout=timeout)
        """Return a page of the project's vouchers, and the positions of the next and the previous page."""
        self.retire = RemoteTask(transport, "gigs.vouchers.retire", queue="admin", timeout=timeout)
        """Retire a voucher: it can no longer be redeemed."""
        self.retrieve = RemoteTask(transport, "gigs.vouchers.retrieve", queue="admin", timeout=timeout)
        """Return the voucher as it is now."""


class Gigs:
    """The tasks whose names begin with `gigs.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.vouchers = GigsVouchers(transport, timeout=timeout)


class Holds:
    """The tasks whose names begin with `holds.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.list = RemoteTask(transport, "holds.list", queue="admin", timeout=timeout)
        """List holds, newest first, in pages."""


class PolarDiscounts:
    """The tasks whose names begin with `polar.discounts.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.create = RemoteTask(transport, "polar.discounts.create", queue="admin", timeout=timeout)
        """Create a discount, once for each task id."""
        self.delete = RemoteTask(transport, "polar.discounts.delete", queue="admin", timeout=timeout)
        """Retire the discount. The answer is empty, as in Polar, also for a redelivery."""
        self.list = RemoteTask(transport, "polar.discounts.list", queue="admin", timeout=timeout)
        """Return a page of the discounts that were not deleted, and their total count."""
        self.retrieve = RemoteTask(transport, "polar.discounts.retrieve", queue="admin", timeout=timeout)
        """Return the discount as it is now."""
        self.update = RemoteTask(transport, "polar.discounts.update", queue="admin", timeout=timeout)
        """Change the fields of a discount that were sent, once for each task id."""


class Polar:
    """The tasks whose names begin with `polar.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.discounts = PolarDiscounts(transport, timeout=timeout)


class Redemptions:
    """The tasks whose names begin with `redemptions.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.confirm = RemoteTask(transport, "redemptions.confirm", queue="redemptions", timeout=timeout)
        """Redeem the place that a hold keeps."""
        self.list = RemoteTask(transport, "redemptions.list", queue="redemptions", timeout=timeout)
        """List decided redemptions, newest first, in pages."""
        self.redeem = RemoteTask(transport, "redemptions.redeem", queue="redemptions", timeout=timeout)
        """Decide a redemption: grant the discount of the voucher, or refuse with a reason."""
        self.redeem_many = RemoteTask(transport, "redemptions.redeem_many", queue="redemptions", timeout=timeout)
        """Decide up to 1,000 redemptions, in the order sent."""
        self.release = RemoteTask(transport, "redemptions.release", queue="redemptions", timeout=timeout)
        """Release a hold, so that other requests can take the place."""
        self.reserve = RemoteTask(transport, "redemptions.reserve", queue="redemptions", timeout=timeout)
        """Hold a place for a customer for a limited time, by the rules of a redemption."""
        self.retrieve = RemoteTask(transport, "redemptions.retrieve", queue="redemptions", timeout=timeout)
        """Return the stored decision on a request id."""
        self.validate = RemoteTask(transport, "redemptions.validate", queue="redemptions", timeout=timeout)
        """Answer as `redemptions.redeem` would now, and write nothing."""


class Reports:
    """The tasks whose names begin with `reports.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.discounts = RemoteTask(transport, "reports.discounts", queue="admin", timeout=timeout)
        """Report redemptions, and given and reversed amounts, by voucher or campaign, by month and currency, in pages."""


class Reversals:
    """The tasks whose names begin with `reversals.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.list = RemoteTask(transport, "reversals.list", queue="admin", timeout=timeout)
        """List reversals, newest first, in pages."""


class StripeCoupons:
    """The tasks whose names begin with `stripe.coupons.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.import_ = RemoteTask(transport, "stripe.coupons.import", queue="admin", timeout=timeout)
        """Create a voucher from a coupon, once for each coupon id."""


class StripePromotionCodes:
    """The tasks whose names begin with `stripe.promotion_codes.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.import_ = RemoteTask(transport, "stripe.promotion_codes.import", queue="admin", timeout=timeout)
        """Add a promotion code to the voucher of its coupon, once for each promotion code id."""


class Stripe:
    """The tasks whose names begin with `stripe.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.coupons = StripeCoupons(transport, timeout=timeout)
        self.promotion_codes = StripePromotionCodes(transport, timeout=timeout)


class Subscriptions:
    """The tasks whose names begin with `subscriptions.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.end = RemoteTask(transport, "subscriptions.end", queue="admin", timeout=timeout)
        """End all discounts of a subscription, and return the places of redemptions that never took effect."""


class Support:
    """The tasks whose names begin with `support.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.explain = RemoteTask(transport, "support.explain", queue="admin", timeout=timeout)
        """Explain the discounts and refusals of a customer, a subscription or an invoice, each with a sentence."""


class Usages:
    """The tasks whose names begin with `usages.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.list = RemoteTask(transport, "usages.list", queue="admin", timeout=timeout)
        """List the usage of a voucher: a page of its customers, each with the newest entries and the sums of all."""
        self.record = RemoteTask(transport, "usages.record", queue="admin", timeout=timeout)
        """Record usage or stamps of a voucher for a customer, and grant the discount of a stamp card that is completed."""


class Vouchers:
    """The tasks whose names begin with `vouchers.`."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.add_codes = RemoteTask(transport, "vouchers.add_codes", queue="admin", timeout=timeout)
        """Add up to 1,000 codes to a voucher, all or none."""
        self.create = RemoteTask(transport, "vouchers.create", queue="admin", timeout=timeout)
        """Create a voucher."""
        self.forecast = RemoteTask(transport, "vouchers.forecast", queue="admin", timeout=timeout)
        """Forecast the costs of running discounts."""
        self.generate_codes = RemoteTask(transport, "vouchers.generate_codes", queue="admin", timeout=timeout)
        """Generate up to a million codes for a voucher, and report the progress in the state of the task."""
        self.history = RemoteTask(transport, "vouchers.history", queue="admin", timeout=timeout)
        """List the changes of a voucher and of its codes, newest first, in pages, each with its actor."""
        self.list = RemoteTask(transport, "vouchers.list", queue="admin", timeout=timeout)
        """Return a page of the vouchers of a project, with the cursors of the neighbouring pages."""
        self.retire = RemoteTask(transport, "vouchers.retire", queue="admin", timeout=timeout)
        """Retire a voucher, which can no longer be redeemed after that. Granted discounts stay."""
        self.retrieve = RemoteTask(transport, "vouchers.retrieve", queue="admin", timeout=timeout)
        """Return a voucher."""
        self.update = RemoteTask(transport, "vouchers.update", queue="admin", timeout=timeout)
        """Change the fields of a voucher that were sent."""


class Rooms:
    """All tasks, in rooms."""

    def __init__(self, transport: Transport, *, timeout: float) -> None:
        """Describe the tasks."""
        self.audit = Audit(transport, timeout=timeout)
        self.billing = Billing(transport, timeout=timeout)
        self.codes = Codes(transport, timeout=timeout)
        self.customers = Customers(transport, timeout=timeout)
        self.dead_letters = DeadLetters(transport, timeout=timeout)
        self.dintero = Dintero(transport, timeout=timeout)
        self.discounts = Discounts(transport, timeout=timeout)
        self.expiry = Expiry(transport, timeout=timeout)
        self.generations = Generations(transport, timeout=timeout)
        self.gigs = Gigs(transport, timeout=timeout)
        self.holds = Holds(transport, timeout=timeout)
        self.polar = Polar(transport, timeout=timeout)
        self.redemptions = Redemptions(transport, timeout=timeout)
        self.reports = Reports(transport, timeout=timeout)
        self.reversals = Reversals(transport, timeout=timeout)
        self.stripe = Stripe(transport, timeout=timeout)
        self.subscriptions = Subscriptions(transport, timeout=timeout)
        self.support = Support(transport, timeout=timeout)
        self.usages = Usages(transport, timeout=timeout)
        self.vouchers = Vouchers(transport, timeout=timeout)
