"""Redeem vouchers, hold places for customers, and validate a redemption in advance.

- The tasks: `redeem`, `reserve`, `confirm`, `release`, `validate`, `retrieve`.
- Requests and answers: `messages`, `answers`, `hold_answers`.
- A batch of redemptions: `look_up` finds vouchers and codes (`batch_vouchers`), `batch` decides, and
  `counts_and_purchase` makes the values that the rules take.
- Holds: `held_places` counts them for a batch, `holds_to_replace` chooses among the customer's own, `named_hold` finds
  the hold of a request, `hold_match` compares a hold's request with a redemption.
"""
