// The same nine routes with Go's net/http, pgx and the MongoDB driver. With USERS=json PostgreSQL writes GET /users as JSON text, as
// the service has it: what is left to compare are the two runtimes.
package main

import (
	"context"
	"encoding/json"
	"log"
	"math/big"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

type user struct {
	ID        int       `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

type postSummary struct {
	ID        bson.ObjectID `bson:"_id" json:"id"`
	Title     string        `bson:"title" json:"title"`
	Category  string        `bson:"category" json:"category"`
	AuthorID  int           `bson:"author_id" json:"author_id"`
	CreatedAt time.Time     `bson:"created_at" json:"created_at"`
}

type post struct {
	ID        bson.ObjectID `bson:"_id" json:"id"`
	Title     string        `bson:"title" json:"title"`
	Content   string        `bson:"content" json:"content"`
	Category  string        `bson:"category" json:"category"`
	AuthorID  int           `bson:"author_id" json:"author_id"`
	CreatedAt time.Time     `bson:"created_at" json:"created_at"`
	UpdatedAt time.Time     `bson:"updated_at" json:"updated_at"`
}

type storedPost struct {
	ID        string    `json:"id"`
	Title     string    `json:"title"`
	Category  string    `json:"category"`
	AuthorID  int       `json:"author_id"`
	CreatedAt time.Time `json:"created_at"`
}

type userWithPosts struct {
	user
	Posts []storedPost `json:"posts"`
}

type summary struct {
	ID        int    `bson:"_id" json:"id"`
	Name      string `bson:"name" json:"name"`
	Email     string `bson:"email" json:"email"`
	PostCount int    `bson:"post_count" json:"post_count"`
}

type analytics struct {
	Name             string   `json:"name"`
	PostCount        int      `json:"post_count"`
	AvgContentLength *float64 `json:"avg_content_length"`
}

type item struct {
	ID        int    `json:"id"`
	Product   string `json:"product"`
	Quantity  int    `json:"quantity"`
	UnitPrice string `json:"unit_price"`
}

type order struct {
	ID        int       `json:"id"`
	UserID    int       `json:"user_id"`
	Status    string    `json:"status"`
	Total     string    `json:"total"`
	CreatedAt time.Time `json:"created_at"`
	Items     []item    `json:"items"`
}

type server struct {
	pool  *pgxpool.Pool
	posts *mongo.Collection
	users *mongo.Collection
}

const userColumns = "id, email, name, created_at, updated_at"

var newestFirst = bson.D{{Key: "created_at", Value: -1}, {Key: "_id", Value: -1}}

var securityHeaders = map[string]string{
	"Content-Security-Policy":           "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';script-src-attr 'none';style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests",
	"Cross-Origin-Opener-Policy":        "same-origin",
	"Cross-Origin-Resource-Policy":      "same-origin",
	"Origin-Agent-Cluster":              "?1",
	"Referrer-Policy":                   "no-referrer",
	"Strict-Transport-Security":         "max-age=31536000; includeSubDomains",
	"X-Content-Type-Options":            "nosniff",
	"X-Dns-Prefetch-Control":            "off",
	"X-Download-Options":                "noopen",
	"X-Frame-Options":                   "SAMEORIGIN",
	"X-Permitted-Cross-Domain-Policies": "none",
	"X-Xss-Protection":                  "0",
}

func main() {
	ctx := context.Background()
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	must(err)
	size, err := strconv.Atoi(os.Getenv("DATABASE_POOL_SIZE"))
	must(err)
	config.MaxConns = int32(size)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	must(err)
	client, err := mongo.Connect(options.Client().ApplyURI(os.Getenv("MONGODB_URL")).SetMaxPoolSize(uint64(size)))
	must(err)
	db := client.Database(os.Getenv("MONGODB_DATABASE"))
	s := server{pool: pool, posts: db.Collection("posts"), users: db.Collection("users")}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", s.getUser)
	mux.HandleFunc("POST /users", s.createUser)
	mux.HandleFunc("POST /orders", s.createOrder)
	if os.Getenv("USERS") == "json" {
		mux.HandleFunc("GET /users", s.listUsersAsText)
	} else {
		mux.HandleFunc("GET /users", s.listUsers)
	}
	mux.HandleFunc("GET /users/summary", s.listSummaries)
	mux.HandleFunc("GET /user-analytics", s.listAnalytics)
	mux.HandleFunc("GET /posts/summaries", s.listPostSummaries)
	mux.HandleFunc("GET /posts/by-category/{category}", s.listByCategory)
	mux.HandleFunc("GET /posts/{id}", s.getPost)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), withHeaders(mux)))
}

func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range securityHeaders {
			w.Header().Set(name, value)
		}
		next.ServeHTTP(w, r)
	})
}

func (s server) getUser(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		reply(w, 400, map[string]string{"error": "bad id"}, nil)
		return
	}
	rows, _ := s.pool.Query(r.Context(), "select "+userColumns+" from users where id = $1", id)
	found, err := pgx.CollectOneRow(rows, pgx.RowToStructByPos[user])
	if err == pgx.ErrNoRows {
		reply(w, 404, map[string]string{"error": "User not found"}, nil)
		return
	}
	reply(w, 200, found, err)
}

func (s server) createUser(w http.ResponseWriter, r *http.Request) {
	var body struct{ Email, Name string }
	if json.NewDecoder(r.Body).Decode(&body) != nil || body.Email == "" || body.Name == "" {
		reply(w, 400, map[string]string{"error": "bad body"}, nil)
		return
	}
	var created user
	err := pgx.BeginFunc(r.Context(), s.pool, func(tx pgx.Tx) error {
		rows, _ := tx.Query(r.Context(), "insert into users (email, name) values ($1, $2) returning "+userColumns, body.Email, body.Name)
		var err error
		created, err = pgx.CollectOneRow(rows, pgx.RowToStructByPos[user])
		return err
	})
	reply(w, 201, created, err)
}

func (s server) createOrder(w http.ResponseWriter, r *http.Request) {
	var body struct {
		UserID int    `json:"user_id"`
		Items  []item `json:"items"`
	}
	if json.NewDecoder(r.Body).Decode(&body) != nil || len(body.Items) == 0 {
		reply(w, 400, map[string]string{"error": "bad body"}, nil)
		return
	}
	total := new(big.Rat)
	products, quantities, prices := make([]string, len(body.Items)), make([]int, len(body.Items)), make([]string, len(body.Items))
	for i, each := range body.Items {
		price, ok := new(big.Rat).SetString(each.UnitPrice)
		if !ok {
			reply(w, 400, map[string]string{"error": "bad price"}, nil)
			return
		}
		total.Add(total, price.Mul(price, big.NewRat(int64(each.Quantity), 1)))
		products[i], quantities[i], prices[i] = each.Product, each.Quantity, each.UnitPrice
	}
	var created order
	err := pgx.BeginFunc(r.Context(), s.pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(r.Context(), "insert into orders (user_id, total) values ($1, $2::text::numeric) returning id, user_id, status, total::text, created_at", body.UserID, total.FloatString(2)).
			Scan(&created.ID, &created.UserID, &created.Status, &created.Total, &created.CreatedAt)
		if err != nil {
			return err
		}
		rows, _ := tx.Query(r.Context(), "insert into order_items (order_id, product, quantity, unit_price) select $1, p, q, u::numeric from unnest($2::text[], $3::int[], $4::text[]) as t (p, q, u) returning id, product, quantity, unit_price::text",
			created.ID, products, quantities, prices)
		created.Items, err = pgx.CollectRows(rows, pgx.RowToStructByPos[item])
		return err
	})
	reply(w, 201, created, err)
}

func (s server) listUsers(w http.ResponseWriter, r *http.Request) {
	rows, _ := s.pool.Query(r.Context(), "select "+userColumns+" from users order by id limit $1", limit(r))
	users, err := pgx.CollectRows(rows, pgx.RowToStructByPos[user])
	if err != nil {
		reply(w, 500, nil, err)
		return
	}
	list, ids, byID := make([]userWithPosts, len(users)), make([]int, len(users)), make(map[int]*userWithPosts, len(users))
	for i, each := range users {
		list[i], ids[i] = userWithPosts{user: each, Posts: []storedPost{}}, each.ID
		byID[each.ID] = &list[i]
	}
	rows, _ = s.pool.Query(r.Context(), "select id, title, category, author_id, created_at from posts where author_id = any($1) order by author_id, created_at desc, id desc", ids)
	posts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[storedPost])
	for _, each := range posts {
		owner := byID[each.AuthorID]
		owner.Posts = append(owner.Posts, each)
	}
	reply(w, 200, list, err)
}

const usersAsText = `with page as (select * from users order by id limit $1)
select '[' || coalesce(string_agg('{"id":' || u.id || ',"email":' || to_json(u.email) || ',"name":' || to_json(u.name) ||
	',"created_at":"' || to_char(u.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') ||
	'","updated_at":"' || to_char(u.updated_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') ||
	'","posts":[' || coalesce(p.posts, '') || ']}', ',' order by u.id), '') || ']'
from page u left join lateral (
	select string_agg('{"id":' || to_json(id) || ',"title":' || to_json(title) || ',"category":' || to_json(category) ||
		',"author_id":' || author_id || ',"created_at":"' || to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '"}',
		',' order by created_at desc, id desc) as posts
	from posts where author_id = u.id
) p on true`

func (s server) listUsersAsText(w http.ResponseWriter, r *http.Request) {
	var text string
	err := s.pool.QueryRow(r.Context(), usersAsText, limit(r)).Scan(&text)
	reply(w, 200, json.RawMessage(text), err)
}

func (s server) listSummaries(w http.ResponseWriter, r *http.Request) {
	count := bson.A{bson.M{"$count": "n"}}
	cursor, err := s.users.Aggregate(r.Context(), bson.A{
		bson.M{"$match": bson.M{"_deleted": bson.M{"$exists": false}}}, bson.M{"$sort": bson.M{"_id": 1}}, bson.M{"$limit": limit(r)},
		bson.M{"$lookup": bson.M{"from": "posts", "localField": "_id", "foreignField": "author_id", "pipeline": count, "as": "posts"}},
		bson.M{"$project": bson.M{"name": 1, "email": 1, "post_count": bson.M{"$ifNull": bson.A{bson.M{"$first": "$posts.n"}, 0}}}},
	})
	replyAll[summary](w, r, cursor, err)
}

func (s server) listAnalytics(w http.ResponseWriter, r *http.Request) {
	rows, _ := s.pool.Query(r.Context(), `select u.name, count(p.id)::int as post_count, avg(p.content_length)::float8 as avg_content_length
		from users u left join posts p on p.author_id = u.id group by u.id, u.name order by post_count desc, u.id limit $1`, limit(r))
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[analytics])
	reply(w, 200, list, err)
}

func (s server) listPostSummaries(w http.ResponseWriter, r *http.Request) {
	projection := bson.M{"title": 1, "category": 1, "author_id": 1, "created_at": 1}
	cursor, err := s.posts.Find(r.Context(), bson.M{}, options.Find().SetProjection(projection).SetSort(newestFirst).SetLimit(int64(limit(r))))
	replyAll[postSummary](w, r, cursor, err)
}

func (s server) listByCategory(w http.ResponseWriter, r *http.Request) {
	cursor, err := s.posts.Find(r.Context(), bson.M{"category": r.PathValue("category")}, options.Find().SetSort(newestFirst).SetLimit(int64(limit(r))))
	replyAll[post](w, r, cursor, err)
}

func (s server) getPost(w http.ResponseWriter, r *http.Request) {
	id, err := bson.ObjectIDFromHex(r.PathValue("id"))
	if err != nil {
		reply(w, 400, map[string]string{"error": "bad id"}, nil)
		return
	}
	var found post
	err = s.posts.FindOne(r.Context(), bson.M{"_id": id}).Decode(&found)
	if err == mongo.ErrNoDocuments {
		reply(w, 404, map[string]string{"error": "Post not found"}, nil)
		return
	}
	reply(w, 200, found, err)
}

func replyAll[T any](w http.ResponseWriter, r *http.Request, cursor *mongo.Cursor, err error) {
	list := []T{}
	if err == nil {
		err = cursor.All(r.Context(), &list)
	}
	reply(w, 200, list, err)
}

func reply(w http.ResponseWriter, status int, body any, err error) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if err != nil {
		log.Print(err)
		status, body = 500, map[string]string{"error": "internal"}
	}
	text, _ := json.Marshal(body)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

func limit(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil || n < 1 || n > 100 {
		return 100
	}
	return n
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
