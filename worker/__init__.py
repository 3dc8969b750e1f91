"""The plumbing: Celery's app, the settings, the database connections, the command line and the embedded stack.

It reaches the tasks by their names only.
"""
