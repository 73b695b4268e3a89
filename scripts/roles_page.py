"""Write docs/roles.md: every role against every route, from the table the service works by.

python -m scripts.roles_page > docs/roles.md
"""

from collections.abc import Iterator

from keelmark.service.security.access import ACCESS, WEBSOCKET, Access
from keelmark.service.security.roles import Role

HEAD = """# Who may do what

Every route of the service, and the roles that may use it. `python -m scripts.roles_page` writes
this page from the table the service works by (`service/security/access.py`); a route that is not
in it cannot be reached, and the whole application is asked every route in every role
(`tests/service/api/test_roles.py`). Without a key nothing answers but `/live`; `POST /session`
takes a key and opens a session with it. A role may do what those to its left may. *audited*: in
the audit trail before it is done.
"""
YES, NO = "yes", "-"


def page() -> str:
    """Return the page."""
    return f"{HEAD}\n" + "\n".join(table()) + "\n"


def table() -> Iterator[str]:
    """Yield the lines of the table."""
    roles = " | ".join(role.value.replace("_", " ") for role in Role)
    yield f"| route | what | no key | {roles} | |"
    yield "| --- | --- | --- |" + " --- |" * (len(Role) + 1)
    for row in ACCESS:
        yield line(row)
        for field, value, role in row.stricter:
            where = f"{route(row)} with `{field}: {value}`"
            yield cells(where, row.what, role, is_audited=row.audited)


def line(row: Access) -> str:
    """Return the line of a route."""
    return cells(route(row), row.what, row.role, is_audited=row.audited)


def route(row: Access) -> str:
    """Return a route as it is written."""
    method = "GET (WebSocket)" if row.method == WEBSOCKET else row.method
    return f"`{method} {row.path.replace(':path', '')}`"


def cells(where: str, what: str, role: Role | None, *, is_audited: bool) -> str:
    """Return one line."""
    may = [YES if role is None or other.covers(role) else NO for other in Role]
    found = [where, what, YES if role is None else NO, *may, "audited" if is_audited else ""]
    return "| " + " | ".join(found) + " |"


if __name__ == "__main__":
    print(page(), end="")
