"""What an operator watches: beat's last tick, and figures of the whole database."""
