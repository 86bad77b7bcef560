"""What OpenAPI cannot say of valid requests, and what schemathesis writes that does not match the document."""
import re

import schemathesis

FORMS = {
    "if-match": re.compile(r'^[*]$|^(W/)?"'),
    "if-none-match": re.compile(r'^[*]$|^(W/)?"'),
    "consistency-token": re.compile(r"^(sql|mongo)-"),
}


@schemathesis.hook
def filter_case(context, case):
    """`skip` and `after` exclude each other. Its coverage phase writes `0` for patterns that it cannot fill."""
    query = case.query or {}
    headers = case.headers or {}
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return True
    written = [(FORMS[name.lower()], value) for name, value in headers.items() if name.lower() in FORMS]
    return not ("skip" in query and "after" in query) and all(form.search(value) for form, value in written)
