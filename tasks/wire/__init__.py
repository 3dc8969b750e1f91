"""The parts that every task shares: registration, fields, messages, answers, replays, pages and dead letters."""
