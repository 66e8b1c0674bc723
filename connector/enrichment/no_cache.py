"""No cache: every finding is forgotten with the batch, but for the few that the process itself remembers."""

from collections.abc import Mapping, Sequence

from connector.enrichment.values import Finding


class NoCache:
    """A cache in which nothing ever is."""

    async def get(self, subjects: Sequence[str]) -> Mapping[str, Finding]:
        return {}

    async def put(self, findings: Sequence[Finding]) -> None:
        """Forget them."""

    async def close(self) -> None:
        """Nothing to close."""
