"""The parts that all tasks share: registration, fields, messages, answers, replays, pages and dead letters."""
