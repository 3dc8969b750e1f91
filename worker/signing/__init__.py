"""Signed messages: which key may send which task for which project, and the proof that a message is that key's."""
