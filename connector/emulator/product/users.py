"""Users of the appliance, their passwords, tokens and rights."""

import secrets
from dataclasses import dataclass, replace

from connector.emulator.product.refusals import Invalid, NoCredentials

DEFAULT_USER = "admin"
DEFAULT_PASSWORD = "password-for-the-lab"  # noqa: S105 - the lab's own, printed in its documentation
RIGHTS = frozenset({"upload", "delete", "delete_bulk"})


@dataclass(frozen=True, slots=True)
class User:
    id: int
    name: str
    password: str
    token: str
    rights: frozenset[str] = RIGHTS
    active: bool = True


class Users:
    """Finds a user by token for every request, and by password for `/api-token-auth/`."""

    def __init__(self, token: str | None) -> None:
        first = User(1, DEFAULT_USER, DEFAULT_PASSWORD, token or new_token())
        self._by_name = {first.name: first}
        self._by_token = {first.token: first}

    @property
    def first(self) -> User:
        return self._by_name[DEFAULT_USER]

    def add(self, name: str, password: str, *, token: str | None, rights: frozenset[str], active: bool) -> User:
        """Create a user, or change the one of that name; a user keeps their id."""
        old = self._by_name.get(name)
        user = User(old.id if old else len(self._by_name) + 1, name, password, token or new_token())
        user = replace(user, rights=rights, active=active)
        if old:
            self._by_token.pop(old.token, None)
        self._by_name[name] = self._by_token[user.token] = user
        return user

    def by_token(self, token: str) -> User:
        user = self._by_token.get(token)
        if user is None or not user.active:
            raise NoCredentials("Invalid token.")
        return user

    def token_for(self, name: str, password: str) -> str:
        """Answer 400 and not 401, as the vendor's documentation says of wrong or missing credentials."""
        user = self._by_name.get(name)
        if user is None or not user.active or not secrets.compare_digest(user.password.encode(), password.encode()):
            raise Invalid("Unable to log in with provided credentials.")
        return user.token


def new_token() -> str:
    return secrets.token_hex(20)
