"""Pure rules: no clock, no database, no Celery, only the standard library. Each result depends on arguments alone."""
