"""FastAPI as its database patterns write it: async handlers over a synchronous SQLAlchemy session, ODMantic for MongoDB."""

import os
from datetime import datetime

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from motor.motor_asyncio import AsyncIOMotorClient
from odmantic import AIOEngine, Field, Model, ObjectId, query
from sqlalchemy import BigInteger, DateTime, ForeignKey, Integer, Numeric, String, create_engine, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, sessionmaker

import models
from headers import SecurityHeaders

engine = create_engine(
    os.environ["DATABASE_URL"].replace("postgres://", "postgresql+psycopg2://"),
    pool_size=int(os.environ["DATABASE_POOL_SIZE"]), max_overflow=0, pool_pre_ping=True, pool_recycle=3600, pool_timeout=30,
)
SessionLocal = sessionmaker(bind=engine, autoflush=False)
mongo = AIOEngine(client=AsyncIOMotorClient(os.environ["MONGODB_URL"]), database=os.environ["MONGODB_DATABASE"])
posts = mongo.client[os.environ["MONGODB_DATABASE"]].posts
users = mongo.client[os.environ["MONGODB_DATABASE"]].users


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    email: Mapped[str] = mapped_column(String)
    name: Mapped[str] = mapped_column(String)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    status: Mapped[str] = mapped_column(String, server_default="pending")
    total = mapped_column(Numeric(18, 2))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    items: Mapped[list["OrderItem"]] = relationship()


class OrderItem(Base):
    __tablename__ = "order_items"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    product: Mapped[str] = mapped_column(String)
    quantity: Mapped[int] = mapped_column(Integer)
    unit_price = mapped_column(Numeric(18, 2))


class PostCopy(Base):
    __tablename__ = "posts"
    id: Mapped[str] = mapped_column(String, primary_key=True)
    author_id: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(String)
    category: Mapped[str] = mapped_column(String)
    content_length: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class PostDocument(Model):
    model_config = {"collection": "posts"}
    title: str
    content: str
    category: str
    author_id: int
    created_at: datetime = Field()
    updated_at: datetime = Field()


def get_db():
    db = SessionLocal()
    try:
        yield db
    finally:
        db.close()


app = FastAPI(openapi_url=None)
app.add_middleware(SecurityHeaders)


def post_of(document: PostDocument) -> models.Post:
    return models.Post(**document.model_dump(exclude={"id"}), id=str(document.id))


@app.get("/users/summary", response_model=list[models.UserSummary])
async def list_summaries(limit: int = 100):
    pipeline = [
        {"$match": {"_deleted": {"$exists": False}}}, {"$sort": {"_id": 1}}, {"$limit": limit},
        {"$lookup": {"from": "posts", "localField": "_id", "foreignField": "author_id", "as": "posts"}},
        {"$project": {"name": 1, "email": 1, "post_count": {"$size": "$posts"}}},
    ]
    return [{"id": row["_id"], **row} async for row in users.aggregate(pipeline)]


@app.get("/users/{id}", response_model=models.User)
async def get_user(id: int, db: Session = Depends(get_db)):
    user = db.get(User, id)
    if user is None:
        raise HTTPException(404, "User not found")
    return user


@app.post("/users", status_code=201, response_model=models.User)
async def create_user(body: models.NewUser, db: Session = Depends(get_db)):
    user = User(email=body.email, name=body.name)
    try:
        db.add(user)
        db.commit()
    except IntegrityError:
        db.rollback()
        raise HTTPException(409, "User with this email already exists")
    db.refresh(user)
    return user


@app.post("/orders", status_code=201, response_model=models.Order)
async def create_order(body: models.NewOrder, db: Session = Depends(get_db)):
    total = sum(item.quantity * item.unit_price for item in body.items)
    order = Order(user_id=body.user_id, total=total, items=[OrderItem(**item.model_dump()) for item in body.items])
    db.add(order)
    db.commit()
    db.refresh(order)
    return order


@app.get("/users", response_model=list[models.UserWithPosts])
async def list_users(limit: int = 100, db: Session = Depends(get_db)):
    rows = db.scalars(select(User).order_by(User.id).limit(limit)).all()
    by_id = {row.id: [] for row in rows}
    for post in db.scalars(select(PostCopy).where(PostCopy.author_id.in_(by_id)).order_by(PostCopy.created_at.desc(), PostCopy.id.desc())):
        by_id[post.author_id].append(post)
    return [models.UserWithPosts(**models.User.model_validate(row).model_dump(), posts=[models.PostSummary.model_validate(post) for post in by_id[row.id]]) for row in rows]


@app.get("/user-analytics", response_model=list[models.UserAnalytics])
async def list_analytics(limit: int = 100, db: Session = Depends(get_db)):
    return db.execute(text(
        "select u.name, count(p.id)::int as post_count, avg(p.content_length)::float8 as avg_content_length "
        "from users u left join posts p on p.author_id = u.id group by u.id, u.name order by post_count desc, u.id limit :limit"
    ), {"limit": limit}).all()


@app.get("/posts/summaries", response_model=list[models.PostSummary])
async def list_post_summaries(limit: int = 100):
    projection = {"title": 1, "category": 1, "author_id": 1, "created_at": 1}
    rows = posts.find({}, projection, sort=[("created_at", -1), ("_id", -1)], limit=limit)
    return [{"id": str(row["_id"]), **row} async for row in rows]


@app.get("/posts/by-category/{category}", response_model=list[models.Post])
async def list_by_category(category: str, limit: int = 100):
    rows = await mongo.find(PostDocument, PostDocument.category == category, sort=(query.desc(PostDocument.created_at), query.desc(PostDocument.id)), limit=limit)
    return [post_of(row) for row in rows]


@app.get("/posts/{id}", response_model=models.Post)
async def get_post(id: ObjectId):
    post = await mongo.find_one(PostDocument, PostDocument.id == id)
    if post is None:
        raise HTTPException(404, "Post not found")
    return post_of(post)


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), loop="uvloop", http="httptools", log_level="error", access_log=False)
