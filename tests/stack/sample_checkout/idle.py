"""A program that does nothing until it is stopped."""

import signal

signal.pause()
