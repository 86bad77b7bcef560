"""What OpenAPI cannot say of valid requests."""
import schemathesis


@schemathesis.hook
def map_query(context, query):
    """`skip` and `after` exclude each other: parameters of a query cannot."""
    if query and "after" in query and "skip" in query:
        return {name: value for name, value in query.items() if name != "skip"}
    return query
