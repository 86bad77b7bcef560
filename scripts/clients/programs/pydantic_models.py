"""Checks what is sent to the service, and what it answers, with the models that were made of the document."""
import os
import re
import uuid

import pydantic
import requests

from generated import models

origin = os.environ["ORIGIN"]
run = uuid.uuid4().hex
NAME = "Zoë 😀"


def post(path, body):
    text = body.model_dump_json(exclude_none=True)
    return requests.post(origin + path, data=text.encode(), headers={"content-type": "application/json"}, timeout=30)


wanted = models.UserCreate(email=f"{run}@example.com", name=NAME)
answer = post("/users", wanted)
user = models.User.model_validate_json(answer.text)
assert (answer.status_code, user.name) == (201, NAME)
again = post("/users", wanted)
assert (again.status_code, models.Problem.model_validate_json(again.text).type) == (409, "/docs/problems#duplicate")
post("/users", models.UserCreate(email=f"{run}-2@example.com", name="李"))

users, path = [], "/users?limit=1"
while path:
    page = requests.get(origin + path, timeout=30)
    users += pydantic.TypeAdapter(list[models.UserWithPosts]).validate_json(page.text)
    found = re.match(r'<([^>]*)>; rel="next"', page.headers.get("link", ""))
    path = found and found[1]
assert user.id in [each.id for each in users]

item = models.OrderItemCreate(product="✒️ pen", quantity=3, unit_price="1.20")
answer = post("/orders", models.OrderCreate(user_id=user.id, items=[item]))
assert models.Order.model_validate_json(answer.text).total == "3.60"

missing = requests.get(f"{origin}/users/2147483647", timeout=30)
assert models.Problem.model_validate_json(missing.text).status == missing.status_code == 404
try:
    models.UserCreate(email="x", name="")
    raise SystemExit("a user without a name was taken")
except pydantic.ValidationError:
    pass
