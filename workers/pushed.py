"""How a worker takes what a broker pushes to it, as RabbitMQ does."""

from typing import Any

from workers.consumer import PatientConsumer


class OneAhead(PatientConsumer):
    """Holds one message more than it runs: Celery's own would hold hundreds, which idle workers could run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs | {"initial_prefetch_count": 1})
