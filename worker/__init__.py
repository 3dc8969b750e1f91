"""The processes that run in production: the Celery app, settings, database access and schedule."""
