"""The lines that processes log: their format, their fields, and the level of lines about single messages."""
