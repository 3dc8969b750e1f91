"""Whole exports of Stripe, Polar, Gigs and Lago: each record becomes a request of the use cases of the tasks."""
