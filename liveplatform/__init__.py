"""The site: settings, URLs, ASGI and Celery entry points, the embedded servers and the `serve` command."""

__version__ = "0.1.0"
