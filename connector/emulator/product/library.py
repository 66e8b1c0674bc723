"""A collection of samples that any of their hashes finds; the appliance has one, the cloud another."""

from collections.abc import Iterable, Iterator

from connector.emulator.product.sample import Sample


class Library:
    """Holds samples by all four hashes; `version` changes with every change, so that answers can be kept."""

    def __init__(self) -> None:
        self.version = 0
        self._samples: dict[str, Sample] = {}
        self._by_hash: dict[str, Sample] = {}

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._samples.values())

    def find(self, any_hash: str) -> Sample | None:
        return self._by_hash.get(any_hash) or self._by_hash.get(any_hash.lower())

    def put(self, sample: Sample) -> None:
        self.put_all((sample,))

    def put_all(self, samples: Iterable[Sample]) -> None:
        for sample in samples:
            hashes = sample.hashes
            self._samples[hashes.sha1] = sample
            self._by_hash[hashes.md5] = sample
            self._by_hash[hashes.sha1] = sample
            self._by_hash[hashes.sha256] = sample
            self._by_hash[hashes.sha512] = sample
        self.version += 1

    def remove(self, sample: Sample) -> None:
        self._samples.pop(sample.hashes.sha1, None)
        for text in sample.hashes.all():
            self._by_hash.pop(text, None)
        self.version += 1
