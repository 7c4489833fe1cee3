"""What models are called in metrics: by names that model servers and the upstreams file know, never by a client's."""

from collections.abc import Iterable
from typing import Final

from shared.metrics import begin_model

OTHER: Final = "other"
_MOST: Final = 50
_LONGEST: Final = 128


class ModelLabels:
    """The first fifty names that were learned; every other model is `other`."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        begin_model(OTHER)

    def learn(self, names: Iterable[str]) -> None:
        """Take in names that somebody else than a client has chosen."""
        for name in names:
            if name not in self._names and len(self._names) < _MOST and len(name) <= _LONGEST:
                self._names.add(name)
                begin_model(name)

    def of(self, model: str | None) -> str:
        """The label of a turn's model."""
        return model if model in self._names else OTHER


MODELS: Final = ModelLabels()
"""Those of this process."""
