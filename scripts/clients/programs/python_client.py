"""Uses the generated client."""
import os
import re
import sys
import uuid

sys.path.insert(0, "generated")

import openapi_client as client  # noqa: E402

run = uuid.uuid4().hex
NAME = "Zoë 😀"

with client.ApiClient(client.Configuration(host=os.environ["ORIGIN"])) as connection:
    users = client.UsersApi(connection)
    orders = client.OrdersApi(connection)
    wanted = client.UserCreate(email=f"{run}@example.com", name=NAME)
    user = users.create_user(wanted)
    assert user.name == NAME
    try:
        users.create_user(wanted)
        raise SystemExit("a duplicate was taken")
    except client.ApiException as error:
        assert error.status == 409 and error.data.type == "/docs/problems#duplicate", error
    users.create_user(client.UserCreate(email=f"{run}-2@example.com", name="李"))

    seen, after = [], None
    while True:
        page = users.list_users_with_http_info(limit=1, after=after)
        seen += [each.id for each in page.data]
        found = re.search(r"[?&]after=([^&>]+)", (page.headers or {}).get("link", ""))
        if found is None:
            break
        after = found[1]
    assert user.id in seen

    item = client.OrderItemCreate(product="✒️ pen", quantity=3, unit_price="1.20")
    order = orders.create_order(client.OrderCreate(user_id=user.id, items=[item]))
    assert order.total == "3.60"
    try:
        users.get_user(2147483647)
        raise SystemExit("a user was found that does not exist")
    except client.ApiException as error:
        assert error.status == error.data.status == 404, error
