"""What a failed exchange means, in the words of one table, whichever library told it."""

import socket
from typing import Final

from connector.errors import ConnectFailed, DeadlineExceeded, Happened, SpectraError, Truncated, UnexpectedResponse
from connector.plan import Call

_TEMPORARY: Final = frozenset(
    {socket.EAI_AGAIN, getattr(socket, "EAI_MEMORY", None), getattr(socket, "EAI_SYSTEM", None)}
)
NOTHING: Final = "nothing was sent"


def unanswered(call: Call) -> Happened:
    """What an exchange without a complete answer did: a read changes nothing, all else is unknown."""
    return "not_sent" if call.effect == "read" else "unknown"


def no_name(number: int | None) -> ConnectFailed:
    """A host name that has no address (getaddrinfo's error number): for good, or for the moment (EAI_AGAIN)."""
    if number in _TEMPORARY:
        return ConnectFailed(f"the host name of the appliance cannot be looked up at the moment; {NOTHING}")
    return ConnectFailed(f"the host name of the appliance does not exist; {NOTHING}", retryable=False)


def no_connection() -> ConnectFailed:
    return ConnectFailed(f"no connection to the appliance could be made; {NOTHING}")


def no_connection_in_time() -> ConnectFailed:
    return ConnectFailed(f"the appliance did not accept a connection in time; {NOTHING}")


def proxy_refused(status: int | None = None) -> ConnectFailed:
    """The proxy said no. With 407 it wants credentials, which waiting does not bring."""
    hint = "check the setting proxy, and the credentials in it" if status == 407 else "check the setting proxy"
    text = f"the proxy refused the connection, not the appliance; {NOTHING}"
    return ConnectFailed(text, retryable=status != 407, status=status, hint=hint)


def late(call: Call) -> DeadlineExceeded:
    return DeadlineExceeded("the appliance did not answer in time (deadline_seconds)", outcome=unanswered(call))


def cut(call: Call) -> Truncated:
    return Truncated("the connection ended before the answer was complete", outcome=unanswered(call))


def no_http(call: Call) -> UnexpectedResponse:
    return UnexpectedResponse("the exchange with the appliance broke a rule of HTTP", outcome=unanswered(call))


def placed(error: SpectraError, call: Call) -> SpectraError:
    """An error of reading an answer, with what it says of the effect: something was sent, so a change is unknown."""
    if call.effect != "read" and error.outcome != "not_sent":
        error.outcome = "unknown"
    return error
