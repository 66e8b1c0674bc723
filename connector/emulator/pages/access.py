"""Who is asking: a token for a password, and the token of every other request."""

from connector.emulator.pages.bodies import only, read_values
from connector.emulator.pages.exchange import Answer, Request, as_json
from connector.emulator.product.refusals import Invalid, NoCredentials
from connector.emulator.product.state import Product
from connector.emulator.product.users import User


async def get_token(product: Product, request: Request) -> Answer:
    """Exchange a username and a password for the user's token; 400 for wrong ones."""
    values = await read_values(request)
    name, password = only(values, "username"), only(values, "password")
    if not name or not password:
        raise Invalid("This field is required.", field="username" if not name else "password")
    return as_json({"token": product.users.token_for(name, password)})


def signed_in(product: Product, request: Request) -> User:
    """Find the user by `Authorization: Token <token>`; the texts are the vendor's OpenAPI file's."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "token" or not token.strip():
        raise NoCredentials("Authentication credentials were not provided.")
    return product.users.by_token(token.strip())
