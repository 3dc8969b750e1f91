"""Tasks that take the request bodies of Gigs, Polar, Dintero and Stripe, and answer in their format."""
