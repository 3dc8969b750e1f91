"""The processes that run in production: the Celery app, its settings, schedule and database access."""
