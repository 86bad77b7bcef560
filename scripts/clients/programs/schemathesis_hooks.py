"""What OpenAPI cannot say of valid requests, and what schemathesis writes that does not match the document."""
import re

import schemathesis

FORMS = {
    "if-match": re.compile(r'^[*]$|^(W/)?"'),
    "if-none-match": re.compile(r'^[*]$|^(W/)?"'),
    "consistency-token": re.compile(r"^(sql|mongo)-"),
}


# Those of a list go with its own order alone.
FILTERS = {"user_id", "status", "author_id", "category"}


def fits_together(query):
    """`skip` and `after` exclude each other; a cursor belongs to its `sort`, and comes from a Link header; filters have an order."""
    after = query.get("after")
    if after is not None and ("skip" in query or "sort" in query or "." in str(after)):
        return False
    return not FILTERS & set(query) or str(query.get("sort", "created_at")).lstrip("-") == "created_at"


@schemathesis.hook
def filter_case(context, case):
    """Keeps what the document cannot refuse. Its coverage phase writes `0` for patterns that it cannot fill."""
    query = case.query or {}
    headers = case.headers or {}
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return True
    written = [(FORMS[name.lower()], value) for name, value in headers.items() if name.lower() in FORMS]
    return fits_together(query) and all(form.search(value) for form, value in written)
