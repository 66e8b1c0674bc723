"""Why the appliance says no, in its own words; pages turn each kind into a status code."""


class Refusal(Exception):
    """A request the appliance understood and will not carry out."""

    def __init__(self, text: str, *, field: str | None = None, wait_seconds: float | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.field = field
        self.wait_seconds = wait_seconds


class Invalid(Refusal):
    """A value is missing, malformed or not allowed."""


class NoCredentials(Refusal):
    """The token is missing or not known."""


class Forbidden(Refusal):
    """The user may not do this."""


class NotHere(Refusal):
    """The sample, the task or the hash does not exist here."""


class InMaintenance(Refusal):
    """Nothing can be uploaded while the appliance is in maintenance mode."""


class StillProcessing(Refusal):
    """The sample is being processed, or exists only as an extracted file, and cannot be deleted."""


class TooLarge(Refusal):
    """The file is above the configured maximum."""


class Depleted(Refusal):
    """Memory, the processing queue or the daily cloud quota is used up."""


class DiskFull(Refusal):
    """Too little of the disk is free."""


class CloudUnavailable(Refusal):
    """Spectra Intelligence does not answer or refuses the appliance's own account."""
