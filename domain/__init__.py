"""Pure rules: standard library only, no clock, no database, no Celery. Every function is one of its arguments."""
