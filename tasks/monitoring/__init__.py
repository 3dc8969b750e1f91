"""What an operator watches: beat's ticks, and the figures of the database."""
