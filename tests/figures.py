"""A reading of /metrics."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import httpx2
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True)
class Figures:
    """Samples by name and labels."""

    families: list[Metric]

    @classmethod
    def of(cls, text: str) -> Self:
        return cls(list(text_string_to_metric_families(text)))

    @classmethod
    def at(cls, address: str) -> Self:
        """Of the server at `address`, which needs no key."""
        answer = httpx2.get(f"{address}/metrics", timeout=10)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/plain")
        return cls.of(answer.text)

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels; there is at least one."""
        found = [value for those, value in self.samples(name) if labels.items() <= those.items()]
        assert found, f"no {name} with {labels}"
        return sum(found)

    def by(self, name: str, *labels: str) -> Counter[tuple[str, ...]]:
        """The sums that are not 0, by these labels."""
        sums: Counter[tuple[str, ...]] = Counter()
        for those, value in self.samples(name):
            sums[tuple(those[label] for label in labels)] += int(value)
        return +sums

    def samples(self, name: str) -> list[tuple[Mapping[str, str], float]]:
        samples = [sample for family in self.families for sample in family.samples]
        return [(sample.labels, sample.value) for sample in samples if sample.name == name]
