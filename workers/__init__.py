"""The workers: Celery tasks that run turns."""
