"""The same stack at its best: asyncpg with prepared statements, PyMongo's async client with its C decoder, no ORM and no ODM."""

import os
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from bson import ObjectId
from fastapi import FastAPI, HTTPException
from pymongo import AsyncMongoClient

import models
from headers import SecurityHeaders

USER = "id, email, name, created_at, updated_at"


@asynccontextmanager
async def lifespan(app: FastAPI):
    size = int(os.environ["DATABASE_POOL_SIZE"])
    app.state.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=size)
    app.state.mongo = AsyncMongoClient(os.environ["MONGODB_URL"], maxPoolSize=size)
    app.state.db = app.state.mongo[os.environ["MONGODB_DATABASE"]]
    yield
    await app.state.pool.close()
    await app.state.mongo.close()


app = FastAPI(openapi_url=None, lifespan=lifespan)
app.add_middleware(SecurityHeaders)


def with_id(document: dict) -> dict:
    document["id"] = str(document.pop("_id"))
    return document


@app.get("/users/summary", response_model=list[models.UserSummary])
async def list_summaries(limit: int = 100):
    pipeline = [
        {"$match": {"_deleted": {"$exists": False}}}, {"$sort": {"_id": 1}}, {"$limit": limit},
        {"$lookup": {"from": "posts", "localField": "_id", "foreignField": "author_id", "pipeline": [{"$count": "n"}], "as": "posts"}},
        {"$project": {"name": 1, "email": 1, "post_count": {"$ifNull": [{"$first": "$posts.n"}, 0]}}},
    ]
    return [{"id": row["_id"], **row} async for row in await app.state.db.users.aggregate(pipeline)]


@app.get("/users/{id}", response_model=models.User)
async def get_user(id: int):
    row = await app.state.pool.fetchrow(f"select {USER} from users where id = $1", id)
    if row is None:
        raise HTTPException(404, "User not found")
    return dict(row)


@app.post("/users", status_code=201, response_model=models.User)
async def create_user(body: models.NewUser):
    async with app.state.pool.acquire() as connection, connection.transaction():
        return dict(await connection.fetchrow(f"insert into users (email, name) values ($1, $2) returning {USER}", body.email, body.name))


@app.post("/orders", status_code=201, response_model=models.Order)
async def create_order(body: models.NewOrder):
    total = sum(item.quantity * item.unit_price for item in body.items)
    async with app.state.pool.acquire() as connection, connection.transaction():
        order = dict(await connection.fetchrow(
            "insert into orders (user_id, total) values ($1, $2) returning id, user_id, status, total, created_at", body.user_id, total))
        order["items"] = [dict(row) for row in await connection.fetch(
            "insert into order_items (order_id, product, quantity, unit_price) select $1, * from unnest($2::text[], $3::int[], $4::numeric[]) returning id, product, quantity, unit_price",
            order["id"], [item.product for item in body.items], [item.quantity for item in body.items], [item.unit_price for item in body.items])]
        return order


@app.get("/users", response_model=list[models.UserWithPosts])
async def list_users(limit: int = 100):
    users = {row["id"]: {**row, "posts": []} for row in await app.state.pool.fetch(f"select {USER} from users order by id limit $1", limit)}
    for post in await app.state.pool.fetch(
            "select id, title, category, author_id, created_at from posts where author_id = any($1) order by author_id, created_at desc, id desc", list(users)):
        users[post["author_id"]]["posts"].append(dict(post))
    return list(users.values())


@app.get("/user-analytics", response_model=list[models.UserAnalytics])
async def list_analytics(limit: int = 100):
    return [dict(row) for row in await app.state.pool.fetch(
        "select u.name, count(p.id)::int as post_count, avg(p.content_length)::float8 as avg_content_length "
        "from users u left join posts p on p.author_id = u.id group by u.id, u.name order by post_count desc, u.id limit $1", limit)]


@app.get("/posts/summaries", response_model=list[models.PostSummary])
async def list_post_summaries(limit: int = 100):
    projection = {"title": 1, "category": 1, "author_id": 1, "created_at": 1}
    cursor = app.state.db.posts.find({}, projection, sort=[("created_at", -1), ("_id", -1)], limit=limit)
    return [with_id(row) for row in await cursor.to_list()]


@app.get("/posts/by-category/{category}", response_model=list[models.Post])
async def list_by_category(category: str, limit: int = 100):
    cursor = app.state.db.posts.find({"category": category}, sort=[("created_at", -1), ("_id", -1)], limit=limit)
    return [with_id(row) for row in await cursor.to_list()]


@app.get("/posts/{id}", response_model=models.Post)
async def get_post(id: str):
    row = await app.state.db.posts.find_one({"_id": ObjectId(id)})
    if row is None:
        raise HTTPException(404, "Post not found")
    return with_id(row)


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), loop="uvloop", http="httptools", log_level="error", access_log=False)
