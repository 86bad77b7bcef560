"""Bodies of both Python peers: what the service takes and gives."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, EmailStr, Field, PlainSerializer

Money = Annotated[Decimal, PlainSerializer(lambda value: f"{value:.2f}", return_type=str)]


class FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class NewUser(BaseModel):
    model_config = ConfigDict(extra="forbid")
    email: EmailStr
    name: str = Field(min_length=1)


class User(FromRow):
    id: int
    email: str
    name: str
    created_at: datetime
    updated_at: datetime


class PostSummary(FromRow):
    id: str
    title: str
    category: str
    author_id: int
    created_at: datetime


class Post(PostSummary):
    content: str
    updated_at: datetime


class UserWithPosts(User):
    posts: list[PostSummary]


class UserSummary(BaseModel):
    id: int
    name: str
    email: str
    post_count: int


class UserAnalytics(FromRow):
    name: str
    post_count: int
    avg_content_length: float | None


class NewItem(BaseModel):
    model_config = ConfigDict(extra="forbid")
    product: str = Field(min_length=1, max_length=200)
    quantity: int = Field(ge=1, le=10_000)
    unit_price: Decimal


class NewOrder(BaseModel):
    model_config = ConfigDict(extra="forbid")
    user_id: int
    items: list[NewItem] = Field(min_length=1, max_length=100)


class OrderItem(FromRow):
    id: int
    product: str
    quantity: int
    unit_price: Money


class Order(FromRow):
    id: int
    user_id: int
    status: str
    total: Money
    created_at: datetime
    items: list[OrderItem]
