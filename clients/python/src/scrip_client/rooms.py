"""The tasks of Scrip by their names. `make docs` of Scrip writes this module from its tasks."""

from __future__ import annotations

from scrip_client.remote_task import RemoteTask, Sender


class Audit:
    """The tasks whose names begin with `audit.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.run = RemoteTask(sender, "audit.run", queue="sweeps", has_project=False)
        """Check what changed since the last audit, or everything, and store the result. Two audits never run at once."""


class Billing:
    """The tasks whose names begin with `billing.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.apply = RemoteTask(sender, "billing.apply", queue="billing")
        """Discount an invoice. A worker gathers these messages into batches for `apply_all`; this runs a single message."""
        self.apply_many = RemoteTask(sender, "billing.apply_many", queue="billing", has_project=False)
        """Discount up to 1,000 invoices, in the order sent."""
        self.list = RemoteTask(sender, "billing.list", queue="billing")
        """List discounted invoices, newest first, in pages, each with its latest reversal."""
        self.preview = RemoteTask(sender, "billing.preview", queue="billing")
        """Return the future answers of `billing.apply` to the invoices of a plan, also as if vouchers were redeemed now."""
        self.retrieve = RemoteTask(sender, "billing.retrieve", queue="billing")
        """Return the answer to an invoice, with all reversals and credits since."""
        self.reverse = RemoteTask(sender, "billing.reverse", queue="billing")
        """Reverse the discounts of an invoice, or the share of them that belongs to refunded lines."""


class Codes:
    """The tasks whose names begin with `codes.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.list = RemoteTask(sender, "codes.list", queue="admin")
        """Return a page of the codes of a voucher, with the cursors of the neighbouring pages."""
        self.retire = RemoteTask(sender, "codes.retire", queue="admin")
        """Retire a code, which can no longer be redeemed after that. Granted discounts stay."""


class Customers:
    """The tasks whose names begin with `customers.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.erase = RemoteTask(sender, "customers.erase", queue="admin")
        """Put a pseudonym in the place of a customer's id, in every row and for good."""


class DeadLetters:
    """The tasks whose names begin with `dead_letters.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.list = RemoteTask(sender, "dead_letters.list", queue="admin")
        """List the messages of a project that were given up, newest first, in pages, without any value that was sent."""


class DinteroDiscounts:
    """The tasks whose names begin with `dintero.discounts.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.usages = RemoteTask(sender, "dintero.discounts.usages", queue="admin", has_project=False)
        """Return a page of a discount's usages, as a bare list."""


class Dintero:
    """The tasks whose names begin with `dintero.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.discounts = DinteroDiscounts(sender)


class Discounts:
    """The tasks whose names begin with `discounts.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.end = RemoteTask(sender, "discounts.end", queue="admin")
        """End a discount, so that it takes nothing off any further invoice."""
        self.extend = RemoteTask(sender, "discounts.extend", queue="admin")
        """Extend a discount by months or cycles. A completed discount that then has something left runs again."""
        self.import_ = RemoteTask(sender, "discounts.import", queue="admin")
        """Import a discount of another system with its cycles and amounts so far."""
        self.import_many = RemoteTask(sender, "discounts.import_many", queue="admin", has_project=False)
        """Import up to 1,000 discounts of another system, in the order sent."""
        self.list = RemoteTask(sender, "discounts.list", queue="admin")
        """List discounts, newest first, in pages."""
        self.move = RemoteTask(sender, "discounts.move", queue="admin")
        """Move a discount to another subscription, with its window, its cycles and its balance."""
        self.retrieve = RemoteTask(sender, "discounts.retrieve", queue="admin")
        """Return a discount as it is now."""


class Expiry:
    """The tasks whose names begin with `expiry.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.prune = RemoteTask(sender, "expiry.prune", queue="sweeps", has_project=False)
        """Delete refused requests, dead letters and stored answers that were kept as long as the settings say."""
        self.sweep = RemoteTask(sender, "expiry.sweep", queue="sweeps", has_project=False)
        """Retire expired and full vouchers and codes, complete discounts whose window has ended, and lapse holds."""


class Generations:
    """The tasks whose names begin with `generations.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.retrieve = RemoteTask(sender, "generations.retrieve", queue="admin")
        """Return a generation of codes as it is now."""


class GigsVouchers:
    """The tasks whose names begin with `gigs.vouchers.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.create = RemoteTask(sender, "gigs.vouchers.create", queue="admin")
        """Create a voucher, once for each task id."""
        self.list = RemoteTask(sender, "gigs.vouchers.list", queue="admin")
        """Return a page of the project's vouchers, and the positions of the next and the previous page."""
        self.retire = RemoteTask(sender, "gigs.vouchers.retire", queue="admin")
        """Retire a voucher: it can no longer be redeemed."""
        self.retrieve = RemoteTask(sender, "gigs.vouchers.retrieve", queue="admin")
        """Return the voucher as it is now."""


class Gigs:
    """The tasks whose names begin with `gigs.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.vouchers = GigsVouchers(sender)


class Holds:
    """The tasks whose names begin with `holds.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.list = RemoteTask(sender, "holds.list", queue="admin")
        """List holds, newest first, in pages."""


class PolarDiscounts:
    """The tasks whose names begin with `polar.discounts.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.create = RemoteTask(sender, "polar.discounts.create", queue="admin", has_project=False)
        """Create a discount, once for each task id."""
        self.delete = RemoteTask(sender, "polar.discounts.delete", queue="admin", has_project=False)
        """Retire the discount. The answer is empty, as in Polar, also for a redelivery."""
        self.list = RemoteTask(sender, "polar.discounts.list", queue="admin", has_project=False)
        """Return a page of the discounts that were not deleted, and their total count."""
        self.retrieve = RemoteTask(sender, "polar.discounts.retrieve", queue="admin", has_project=False)
        """Return the discount as it is now."""
        self.update = RemoteTask(sender, "polar.discounts.update", queue="admin", has_project=False)
        """Change the fields of a discount that were sent, once for each task id."""


class Polar:
    """The tasks whose names begin with `polar.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.discounts = PolarDiscounts(sender)


class Redemptions:
    """The tasks whose names begin with `redemptions.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.confirm = RemoteTask(sender, "redemptions.confirm", queue="redemptions")
        """Redeem the place that a hold keeps."""
        self.list = RemoteTask(sender, "redemptions.list", queue="redemptions")
        """List decided redemptions, newest first, in pages."""
        self.redeem = RemoteTask(sender, "redemptions.redeem", queue="redemptions")
        """Decide a redemption: grant the discount of the voucher, or refuse with a reason."""
        self.redeem_many = RemoteTask(sender, "redemptions.redeem_many", queue="redemptions", has_project=False)
        """Decide up to 1,000 redemptions, in the order sent."""
        self.release = RemoteTask(sender, "redemptions.release", queue="redemptions")
        """Release a hold, so that other requests can take the place."""
        self.reserve = RemoteTask(sender, "redemptions.reserve", queue="redemptions")
        """Hold a place for a customer for a limited time, by the rules of a redemption."""
        self.retrieve = RemoteTask(sender, "redemptions.retrieve", queue="redemptions")
        """Return the stored decision on a request id."""
        self.validate = RemoteTask(sender, "redemptions.validate", queue="redemptions")
        """Answer as `redemptions.redeem` would now, and write nothing."""


class Reports:
    """The tasks whose names begin with `reports.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.discounts = RemoteTask(sender, "reports.discounts", queue="admin")
        """Report redemptions, and given and reversed amounts, by voucher or campaign, by month and currency, in pages."""


class Reversals:
    """The tasks whose names begin with `reversals.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.list = RemoteTask(sender, "reversals.list", queue="admin")
        """List reversals, newest first, in pages."""


class StripeCoupons:
    """The tasks whose names begin with `stripe.coupons.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.import_ = RemoteTask(sender, "stripe.coupons.import", queue="admin")
        """Create a voucher from a coupon, once for each coupon id."""


class StripePromotionCodes:
    """The tasks whose names begin with `stripe.promotion_codes.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.import_ = RemoteTask(sender, "stripe.promotion_codes.import", queue="admin")
        """Add a promotion code to the voucher of its coupon, once for each promotion code id."""


class Stripe:
    """The tasks whose names begin with `stripe.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.coupons = StripeCoupons(sender)
        self.promotion_codes = StripePromotionCodes(sender)


class Subscriptions:
    """The tasks whose names begin with `subscriptions.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.end = RemoteTask(sender, "subscriptions.end", queue="admin")
        """End all discounts of a subscription, and return the places of redemptions that never took effect."""


class Support:
    """The tasks whose names begin with `support.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.explain = RemoteTask(sender, "support.explain", queue="admin")
        """Explain the discounts and refusals of a customer, a subscription or an invoice, each with a sentence."""


class Usages:
    """The tasks whose names begin with `usages.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.list = RemoteTask(sender, "usages.list", queue="admin")
        """List the usage of a voucher: a page of its customers, each with the newest entries and the sums of all."""
        self.record = RemoteTask(sender, "usages.record", queue="admin")
        """Record usage or stamps of a voucher for a customer, and grant the discount of a stamp card that is completed."""


class Vouchers:
    """The tasks whose names begin with `vouchers.`."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.add_codes = RemoteTask(sender, "vouchers.add_codes", queue="admin")
        """Add up to 1,000 codes to a voucher, all or none."""
        self.create = RemoteTask(sender, "vouchers.create", queue="admin")
        """Create a voucher."""
        self.forecast = RemoteTask(sender, "vouchers.forecast", queue="admin")
        """Forecast the costs of running discounts."""
        self.generate_codes = RemoteTask(sender, "vouchers.generate_codes", queue="admin")
        """Generate up to a million codes for a voucher, and report the progress in the state of the task."""
        self.history = RemoteTask(sender, "vouchers.history", queue="admin")
        """List the changes of a voucher and of its codes, newest first, in pages, each with its actor."""
        self.list = RemoteTask(sender, "vouchers.list", queue="admin")
        """Return a page of the vouchers of a project, with the cursors of the neighbouring pages."""
        self.retire = RemoteTask(sender, "vouchers.retire", queue="admin")
        """Retire a voucher, which can no longer be redeemed after that. Granted discounts stay."""
        self.retrieve = RemoteTask(sender, "vouchers.retrieve", queue="admin")
        """Return a voucher."""
        self.update = RemoteTask(sender, "vouchers.update", queue="admin")
        """Change the fields of a voucher that were sent."""


class Rooms:
    """All tasks, in rooms."""

    def __init__(self, sender: Sender) -> None:
        """Describe the tasks."""
        self.audit = Audit(sender)
        self.billing = Billing(sender)
        self.codes = Codes(sender)
        self.customers = Customers(sender)
        self.dead_letters = DeadLetters(sender)
        self.dintero = Dintero(sender)
        self.discounts = Discounts(sender)
        self.expiry = Expiry(sender)
        self.generations = Generations(sender)
        self.gigs = Gigs(sender)
        self.holds = Holds(sender)
        self.polar = Polar(sender)
        self.redemptions = Redemptions(sender)
        self.reports = Reports(sender)
        self.reversals = Reversals(sender)
        self.stripe = Stripe(sender)
        self.subscriptions = Subscriptions(sender)
        self.support = Support(sender)
        self.usages = Usages(sender)
        self.vouchers = Vouchers(sender)
