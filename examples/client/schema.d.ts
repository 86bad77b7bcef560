// Made of the OpenAPI document by npm run client: run it again instead of changing this file.
export interface paths {
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whether the process runs
         * @description Touches no database.
         */
        get: operations["isAlive"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whether requests should be sent here
         * @description Both stores, the migrations and the drain, at most a second old.
         */
        get: operations["isReady"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The same as /readyz
         * @description Both stores, the migrations and the drain, at most a second old.
         */
        get: operations["isHealthy"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/orders": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List orders with their items
         * @description Newest first; all, or those of one user or in one state.
         */
        get: operations["listOrders"];
        put?: never;
        /**
         * Create an order with its items
         * @description The order and all its items are stored, or nothing is. The total is computed.
         */
        post: operations["createOrder"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/orders/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read an order
         * @description One order with its items.
         */
        get: operations["getOrder"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/posts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List posts
         * @description Whole posts, newest first; all, or those of one author or category.
         */
        get: operations["listPosts"];
        put?: never;
        /**
         * Create a post
         * @description The author must exist; the slug, if there is one, must not be taken.
         */
        post: operations["createPost"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/posts/summaries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List posts without their content
         * @description Newest first. The content stays in the database.
         */
        get: operations["listPostSummaries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/posts/by-category/{category}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List the posts of a category
         * @description Whole posts, newest first; empty for a category nobody has used.
         */
        get: operations["listPostsByCategory"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/posts/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read a post
         * @description One post with its content.
         */
        get: operations["getPost"];
        /**
         * Change a post
         * @description Only the fields that are given change. A new author must exist.
         */
        put: operations["putPost"];
        post?: never;
        /**
         * Delete a post
         * @description It leaves lists of users and analytics within seconds.
         */
        delete: operations["deletePost"];
        options?: never;
        head?: never;
        /**
         * Change fields of a post
         * @description Only the fields that are given change. A new author must exist.
         */
        patch: operations["patchPost"];
        trace?: never;
    };
    "/user-analytics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What each user wrote, in numbers
         * @description Those who wrote most first. Counted over a copy of the posts in the SQL database that follows MongoDB within seconds.
         */
        get: operations["listUserAnalytics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List users with their posts
         * @description By id. The posts come from a copy in the SQL database that follows MongoDB within seconds.
         */
        get: operations["listUsers"];
        put?: never;
        /**
         * Create a user
         * @description The e-mail must not be taken.
         */
        post: operations["createUser"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/summary": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List users with the number of their posts
         * @description By id. The users come from a copy in MongoDB that follows the SQL database within seconds.
         */
        get: operations["listUserSummaries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/users/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read a user
         * @description One user, without posts.
         */
        get: operations["getUser"];
        /**
         * Change a user
         * @description Only the fields that are given change.
         */
        put: operations["putUser"];
        post?: never;
        /**
         * Delete a user
         * @description Refused while there are orders of the user; the posts go too, within seconds.
         */
        delete: operations["deleteUser"];
        options?: never;
        head?: never;
        /**
         * Change fields of a user
         * @description Only the fields that are given change.
         */
        patch: operations["patchUser"];
        trace?: never;
    };
    "/users/with-post": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Create a user and a first post
         * @description Both or neither: the user in PostgreSQL, the post in MongoDB. The e-mail and the slug must not be taken. Absent where PostgreSQL cannot prepare transactions, and on SQLite.
         */
        post: operations["createUserWithPost"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        OrderCreate: {
            /** @example 42 */
            user_id: number;
            items: components["schemas"]["OrderItemCreate"][];
        };
        OrderItemCreate: {
            /** @example Punched cards */
            product: string;
            /** @example 2 */
            quantity: number;
            /**
             * @description Decimal with two places
             * @example 19.90
             */
            unit_price: string;
        };
        OrderItem: {
            /** @example 42 */
            id: number;
            /** @example Punched cards */
            product: string;
            /** @example 2 */
            quantity: number;
            /**
             * @description Decimal with two places
             * @example 19.90
             */
            unit_price: string;
        };
        /** @description What a person ordered */
        Order: {
            /** @example 42 */
            id: number;
            /** @example 42 */
            user_id: number;
            /**
             * @example pending
             * @enum {string}
             */
            status: "pending" | "paid" | "shipped" | "cancelled";
            /**
             * @description Exact sum of the items, two places
             * @example 39.80
             */
            total: string;
            /**
             * Format: date-time
             * @example 2025-01-31T12:00:00.000Z
             */
            created_at: string;
            items: components["schemas"]["OrderItem"][];
        };
        PostCreate: {
            /** @example On the engine */
            title: string;
            /** @example It weaves algebraic patterns. */
            content: string;
            /** @example engineering */
            category: string;
            /** @example 42 */
            author_id: number;
            /**
             * @description Unique among posts
             * @example on-the-engine
             */
            slug?: string;
        };
        /** @description Something a person wrote */
        Post: {
            /** @example 66f1c0a5e4b0a1b2c3d4e5f6 */
            id: string;
            /** @example On the engine */
            title: string;
            /** @example It weaves algebraic patterns. */
            content: string;
            /** @example engineering */
            category: string;
            /** @example 42 */
            author_id: number;
            /**
             * @description Unique among posts
             * @example on-the-engine
             */
            slug?: string;
            /**
             * Format: date-time
             * @example 2025-01-31T12:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @example 2025-01-31T12:00:00.000Z
             */
            updated_at: string;
        };
        /** @description A post without its content */
        PostSummary: {
            /** @example 66f1c0a5e4b0a1b2c3d4e5f6 */
            id: string;
            /** @example On the engine */
            title: string;
            /** @example engineering */
            category: string;
            /** @example 42 */
            author_id: number;
            /**
             * Format: date-time
             * @example 2025-01-31T12:00:00.000Z
             */
            created_at: string;
        };
        /** @description The fields to change */
        PostUpdate: {
            /** @example On the engine */
            title?: string;
            /** @example It weaves algebraic patterns. */
            content?: string;
            /** @example engineering */
            category?: string;
            /** @example 42 */
            author_id?: number;
            /** @description Null takes the slug away */
            slug?: string | null;
        };
        /** @description One wrong place of a request */
        ProblemError: {
            /**
             * @description JSON pointer to the wrong value
             * @example /email
             */
            pointer: string;
            /** @example must match format "email" */
            detail: string;
            /**
             * @description Where the value is when it is not in the body
             * @enum {string}
             */
            in?: "path" | "query" | "header";
        };
        /** @description Problem details (RFC 9457) */
        Problem: {
            /**
             * @description Reference to the description of this problem, relative to the service
             * @example /docs/problems#invalid-request
             */
            type: string;
            /** @example The request does not match its schema */
            title: string;
            /** @example 400 */
            status: number;
            /** @example The request body has 1 error */
            detail: string;
            /** @description Id of the request, also in the x-request-id header and in the logs */
            instance: string;
            /** @description What is wrong, place by place */
            errors?: components["schemas"]["ProblemError"][];
        };
        /** @description What a person wrote, in numbers */
        UserAnalytics: {
            /** @example Ada Lovelace */
            name: string;
            /** @example 3 */
            post_count: number;
            /**
             * @description Mean length of the posts in characters; null without posts
             * @example 1284
             */
            avg_content_length: number | null;
        };
        UserCreate: {
            /**
             * Format: email
             * @example ada@example.com
             */
            email: string;
            /** @example Ada Lovelace */
            name: string;
        };
        /** @description A person */
        User: {
            /** @example 42 */
            id: number;
            /**
             * Format: email
             * @example ada@example.com
             */
            email: string;
            /** @example Ada Lovelace */
            name: string;
            /**
             * Format: date-time
             * @example 2025-01-31T12:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @example 2025-01-31T12:00:00.000Z
             */
            updated_at: string;
        };
        /** @description A person and the number of posts he or she wrote */
        UserSummary: {
            /** @example 42 */
            id: number;
            /** @example Ada Lovelace */
            name: string;
            /**
             * Format: email
             * @example ada@example.com
             */
            email: string;
            /** @example 3 */
            post_count: number;
        };
        /** @description The fields to change */
        UserUpdate: {
            /**
             * Format: email
             * @example ada@example.com
             */
            email?: string;
            /** @example Ada Lovelace */
            name?: string;
        };
        UserWithPostCreate: {
            /**
             * Format: email
             * @example ada@example.com
             */
            email: string;
            /** @example Ada Lovelace */
            name: string;
            /** @description The first post of the new user */
            post: {
                /** @example On the engine */
                title: string;
                /** @example It weaves algebraic patterns. */
                content: string;
                /** @example engineering */
                category: string;
                /**
                 * @description Unique among posts
                 * @example on-the-engine
                 */
                slug?: string;
            };
        };
        /** @description A person and his or her first post */
        UserWithPost: {
            /** @example 42 */
            id: number;
            /**
             * Format: email
             * @example ada@example.com
             */
            email: string;
            /** @example Ada Lovelace */
            name: string;
            /**
             * Format: date-time
             * @example 2025-01-31T12:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @example 2025-01-31T12:00:00.000Z
             */
            updated_at: string;
            post: components["schemas"]["Post"];
        };
        /** @description A person with what he or she wrote */
        UserWithPosts: {
            /** @example 42 */
            id: number;
            /**
             * Format: email
             * @example ada@example.com
             */
            email: string;
            /** @example Ada Lovelace */
            name: string;
            /**
             * Format: date-time
             * @example 2025-01-31T12:00:00.000Z
             */
            created_at: string;
            /**
             * Format: date-time
             * @example 2025-01-31T12:00:00.000Z
             */
            updated_at: string;
            /** @description The newest 100 posts of the user, newest first */
            posts: components["schemas"]["PostSummary"][];
        };
        /** @description The process runs */
        Alive: {
            /** @enum {string} */
            status: "alive";
        };
        /** @description Whether requests should be sent here */
        Readiness: {
            /** @description ready; degraded: one store takes no writes, routes of the other one work; not ready or draining: send requests elsewhere */
            status: string;
            /** @description Condition of each dependency */
            checks: {
                [key: string]: string;
            };
            /** @description How far the copy of each is behind in the other store, at most; a copy that is behind is no reason to send requests elsewhere */
            lag_seconds?: {
                [key: string]: number;
            };
            /** @description Copies that no instance has carried over for ten seconds */
            without_leader?: string[];
            /** @description Transactions in both stores that have not ended for ten seconds */
            in_doubt?: number;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    isAlive: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The process runs */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Alive"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    isReady: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Requests may be sent here */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "status": "ready",
                     *       "checks": {
                     *         "sql": "up",
                     *         "mongodb": "up"
                     *       },
                     *       "lag_seconds": {
                     *         "users": 0,
                     *         "posts": 0.02
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Requests should be sent elsewhere */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "status": "not ready",
                     *       "checks": {
                     *         "sql": "down",
                     *         "mongodb": "down"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
    isHealthy: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Requests may be sent here */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "status": "ready",
                     *       "checks": {
                     *         "sql": "up",
                     *         "mongodb": "up"
                     *       },
                     *       "lag_seconds": {
                     *         "users": 0,
                     *         "posts": 0.02
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Requests should be sent elsewhere */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "status": "not ready",
                     *       "checks": {
                     *         "sql": "down",
                     *         "mongodb": "down"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
    listOrders: {
        parameters: {
            query?: {
                /** @description Items at most. A page ends early, with its `next` link, where it would be too large; with `skip` it is refused */
                limit?: number;
                /** @description Items to leave out; not together with `after` */
                skip?: number;
                /**
                 * @description Where the page begins: taken from the `Link` header of the page before, of the same `sort`; not together with `skip`
                 * @example 1738324800000_42
                 */
                after?: string;
                /** @description Order of the list, `-` in front: from the last to the first, the id breaks ties; together with user_id or status only by created_at. Without it: `-created_at` */
                sort?: "created_at" | "-created_at" | "total" | "-total";
                /** @description Only orders of this user */
                user_id?: number;
                /** @description Only orders in this state */
                status?: "pending" | "paid" | "shipped" | "cancelled";
            };
            header?: {
                /**
                 * @description Up to 8 tokens of own writes, separated by commas; the answer waits up to a second until it shows them; 400 for what is no token
                 * @example sql-users-5f2c9a011-4711-42
                 */
                "consistency-token"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of orders */
            200: {
                headers: {
                    /** @description Path of the next page, `rel="next"`; absent on the last one */
                    Link?: string;
                    /** @description The tokens asked for, if the answer shows those writes */
                    "Consistency-Token"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Order"][];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    createOrder: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Makes a repeat of this request harmless: the first answer is given again for 24 hours. Choose a new one, such as a UUID, for each new request.
                 * @example "8e03978e-40d5-43dd-bc93-6894a57f9324"
                 */
                "idempotency-key"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OrderCreate"];
            };
        };
        responses: {
            /** @description The new order */
            201: {
                headers: {
                    /** @description Path of the new resource */
                    Location?: string;
                    /** @description `true`: the answer to an earlier request with the same Idempotency-Key */
                    "Idempotency-Replayed"?: string;
                    /** @description Names the write; send it back on a read that must show it */
                    "Consistency-Token"?: string;
                    /** @description wait=N, if the other database has the write */
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Order"];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request conflicts with what is stored */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#conflict",
                     *       "title": "Conflict",
                     *       "status": 409,
                     *       "detail": "The request conflicts with the state of the resource",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#body-too-large",
                     *       "title": "The body is too large",
                     *       "status": 413,
                     *       "detail": "The body is larger than this operation accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The media type is not supported */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unsupported-media-type",
                     *       "title": "Unsupported media type",
                     *       "status": 415,
                     *       "detail": "The body must be sent as application/json",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The database refuses the data */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unprocessable",
                     *       "title": "Unprocessable content",
                     *       "status": 422,
                     *       "detail": "The request is well formed but cannot be carried out",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getOrder: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description ETags of what the client has; 304 when it is still that
                 * @example "7-c0ffee00"
                 */
                "if-none-match"?: string;
                /**
                 * @description Up to 8 tokens of own writes, separated by commas; the answer waits up to a second until it shows them; 400 for what is no token
                 * @example sql-users-5f2c9a011-4711-42
                 */
                "consistency-token"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path: {
                /**
                 * @description Id of the order
                 * @example 42
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The order */
            200: {
                headers: {
                    /** @description Strong entity tag of the resource as it is answered */
                    ETag?: string;
                    /** @description The tokens asked for, if the answer shows those writes */
                    "Consistency-Token"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Order"];
                };
            };
            /** @description The client has it already */
            304: {
                headers: {
                    /** @description Strong entity tag of the resource as it is answered */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such resource */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#not-found",
                     *       "title": "Not found",
                     *       "status": 404,
                     *       "detail": "There is nothing at this path",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A part of the path is too long */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#uri-too-long",
                     *       "title": "The path is too long",
                     *       "status": 414,
                     *       "detail": "A part of the path is longer than the service accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listPosts: {
        parameters: {
            query?: {
                /** @description Items at most. A page ends early, with its `next` link, where it would be too large; with `skip` it is refused */
                limit?: number;
                /** @description Items to leave out; not together with `after` */
                skip?: number;
                /**
                 * @description Where the page begins: taken from the `Link` header of the page before, of the same `sort`; not together with `skip`
                 * @example 1738324800000_66f1c0a5e4b0a1b2c3d4e5f6
                 */
                after?: string;
                /** @description Order of the list, `-` in front: from the last to the first, the id breaks ties; together with author_id or category only by created_at. Without it: `-created_at` */
                sort?: "created_at" | "-created_at" | "title" | "-title";
                /** @description Only posts of this user */
                author_id?: number;
                category?: string;
            };
            header?: {
                /**
                 * @description Up to 8 tokens of own writes, separated by commas; the answer waits up to a second until it shows them; 400 for what is no token
                 * @example sql-users-5f2c9a011-4711-42
                 */
                "consistency-token"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of posts */
            200: {
                headers: {
                    /** @description Path of the next page, `rel="next"`; absent on the last one */
                    Link?: string;
                    /** @description The tokens asked for, if the answer shows those writes */
                    "Consistency-Token"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Post"][];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    createPost: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Makes a repeat of this request harmless: the first answer is given again for 24 hours. Choose a new one, such as a UUID, for each new request.
                 * @example "8e03978e-40d5-43dd-bc93-6894a57f9324"
                 */
                "idempotency-key"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PostCreate"];
            };
        };
        responses: {
            /** @description The new post */
            201: {
                headers: {
                    /** @description Path of the new resource */
                    Location?: string;
                    /** @description `true`: the answer to an earlier request with the same Idempotency-Key */
                    "Idempotency-Replayed"?: string;
                    /** @description Strong entity tag of the resource as it is answered */
                    ETag?: string;
                    /** @description Names the write; send it back on a read that must show it */
                    "Consistency-Token"?: string;
                    /** @description wait=N, if the other database has the write */
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Post"];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request conflicts with what is stored */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#conflict",
                     *       "title": "Conflict",
                     *       "status": 409,
                     *       "detail": "The request conflicts with the state of the resource",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#body-too-large",
                     *       "title": "The body is too large",
                     *       "status": 413,
                     *       "detail": "The body is larger than this operation accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The media type is not supported */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unsupported-media-type",
                     *       "title": "Unsupported media type",
                     *       "status": 415,
                     *       "detail": "The body must be sent as application/json",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The database refuses the data */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unprocessable",
                     *       "title": "Unprocessable content",
                     *       "status": 422,
                     *       "detail": "The request is well formed but cannot be carried out",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listPostSummaries: {
        parameters: {
            query?: {
                /** @description Items at most. A page ends early, with its `next` link, where it would be too large; with `skip` it is refused */
                limit?: number;
                /** @description Items to leave out; not together with `after` */
                skip?: number;
                /**
                 * @description Where the page begins: taken from the `Link` header of the page before; not together with `skip`
                 * @example 1738324800000_66f1c0a5e4b0a1b2c3d4e5f6
                 */
                after?: string;
            };
            header?: {
                /**
                 * @description Up to 8 tokens of own writes, separated by commas; the answer waits up to a second until it shows them; 400 for what is no token
                 * @example sql-users-5f2c9a011-4711-42
                 */
                "consistency-token"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of summaries */
            200: {
                headers: {
                    /** @description Path of the next page, `rel="next"`; absent on the last one */
                    Link?: string;
                    /** @description The tokens asked for, if the answer shows those writes */
                    "Consistency-Token"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["PostSummary"][];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listPostsByCategory: {
        parameters: {
            query?: {
                /** @description Items at most. A page ends early, with its `next` link, where it would be too large; with `skip` it is refused */
                limit?: number;
                /** @description Items to leave out; not together with `after` */
                skip?: number;
                /**
                 * @description Where the page begins: taken from the `Link` header of the page before; not together with `skip`
                 * @example 1738324800000_66f1c0a5e4b0a1b2c3d4e5f6
                 */
                after?: string;
            };
            header?: {
                /**
                 * @description Up to 8 tokens of own writes, separated by commas; the answer waits up to a second until it shows them; 400 for what is no token
                 * @example sql-users-5f2c9a011-4711-42
                 */
                "consistency-token"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path: {
                /**
                 * @description As the posts have it
                 * @example engineering
                 */
                category: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of posts */
            200: {
                headers: {
                    /** @description Path of the next page, `rel="next"`; absent on the last one */
                    Link?: string;
                    /** @description The tokens asked for, if the answer shows those writes */
                    "Consistency-Token"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Post"][];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A part of the path is too long */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#uri-too-long",
                     *       "title": "The path is too long",
                     *       "status": 414,
                     *       "detail": "A part of the path is longer than the service accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getPost: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description ETags of what the client has; 304 when it is still that
                 * @example "7-c0ffee00"
                 */
                "if-none-match"?: string;
                /**
                 * @description Up to 8 tokens of own writes, separated by commas; the answer waits up to a second until it shows them; 400 for what is no token
                 * @example sql-users-5f2c9a011-4711-42
                 */
                "consistency-token"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path: {
                /**
                 * @description Id of the post
                 * @example 66f1c0a5e4b0a1b2c3d4e5f6
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The post */
            200: {
                headers: {
                    /** @description Strong entity tag of the resource as it is answered */
                    ETag?: string;
                    /** @description The tokens asked for, if the answer shows those writes */
                    "Consistency-Token"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Post"];
                };
            };
            /** @description The client has it already */
            304: {
                headers: {
                    /** @description Strong entity tag of the resource as it is answered */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such resource */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#not-found",
                     *       "title": "Not found",
                     *       "status": 404,
                     *       "detail": "There is nothing at this path",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A part of the path is too long */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#uri-too-long",
                     *       "title": "The path is too long",
                     *       "status": 414,
                     *       "detail": "A part of the path is longer than the service accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    putPost: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description ETags of the resource as it may be changed; 412 when it has changed since
                 * @example "7-c0ffee00"
                 */
                "if-match"?: string;
                /**
                 * @description `*`, or ETags that the resource must not have
                 * @example "7-c0ffee00"
                 */
                "if-none-match"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path: {
                /**
                 * @description Id of the post
                 * @example 66f1c0a5e4b0a1b2c3d4e5f6
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PostUpdate"];
            };
        };
        responses: {
            /** @description The post as it is now */
            200: {
                headers: {
                    /** @description Strong entity tag of the resource as it is answered */
                    ETag?: string;
                    /** @description Names the write; send it back on a read that must show it */
                    "Consistency-Token"?: string;
                    /** @description wait=N, if the other database has the write */
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Post"];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such resource */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#not-found",
                     *       "title": "Not found",
                     *       "status": 404,
                     *       "detail": "There is nothing at this path",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request conflicts with what is stored */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#conflict",
                     *       "title": "Conflict",
                     *       "status": 409,
                     *       "detail": "The request conflicts with the state of the resource",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The resource is not as the request expects it */
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#precondition-failed",
                     *       "title": "Precondition failed",
                     *       "status": 412,
                     *       "detail": "The resource is not in the state that the request expects",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#body-too-large",
                     *       "title": "The body is too large",
                     *       "status": 413,
                     *       "detail": "The body is larger than this operation accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A part of the path is too long */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#uri-too-long",
                     *       "title": "The path is too long",
                     *       "status": 414,
                     *       "detail": "A part of the path is longer than the service accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The media type is not supported */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unsupported-media-type",
                     *       "title": "Unsupported media type",
                     *       "status": 415,
                     *       "detail": "The body must be sent as application/json",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The database refuses the data */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unprocessable",
                     *       "title": "Unprocessable content",
                     *       "status": 422,
                     *       "detail": "The request is well formed but cannot be carried out",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    deletePost: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description ETags of the resource as it may be changed; 412 when it has changed since
                 * @example "7-c0ffee00"
                 */
                "if-match"?: string;
                /**
                 * @description `*`, or ETags that the resource must not have
                 * @example "7-c0ffee00"
                 */
                "if-none-match"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path: {
                /**
                 * @description Id of the post
                 * @example 66f1c0a5e4b0a1b2c3d4e5f6
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Deleted */
            204: {
                headers: {
                    /** @description Names the write; send it back on a read that must show it */
                    "Consistency-Token"?: string;
                    /** @description wait=N, if the other database has the write */
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such resource */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#not-found",
                     *       "title": "Not found",
                     *       "status": 404,
                     *       "detail": "There is nothing at this path",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The resource is not as the request expects it */
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#precondition-failed",
                     *       "title": "Precondition failed",
                     *       "status": 412,
                     *       "detail": "The resource is not in the state that the request expects",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A part of the path is too long */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#uri-too-long",
                     *       "title": "The path is too long",
                     *       "status": 414,
                     *       "detail": "A part of the path is longer than the service accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    patchPost: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description ETags of the resource as it may be changed; 412 when it has changed since
                 * @example "7-c0ffee00"
                 */
                "if-match"?: string;
                /**
                 * @description `*`, or ETags that the resource must not have
                 * @example "7-c0ffee00"
                 */
                "if-none-match"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path: {
                /**
                 * @description Id of the post
                 * @example 66f1c0a5e4b0a1b2c3d4e5f6
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["PostUpdate"];
            };
        };
        responses: {
            /** @description The post as it is now */
            200: {
                headers: {
                    /** @description Strong entity tag of the resource as it is answered */
                    ETag?: string;
                    /** @description Names the write; send it back on a read that must show it */
                    "Consistency-Token"?: string;
                    /** @description wait=N, if the other database has the write */
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Post"];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such resource */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#not-found",
                     *       "title": "Not found",
                     *       "status": 404,
                     *       "detail": "There is nothing at this path",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request conflicts with what is stored */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#conflict",
                     *       "title": "Conflict",
                     *       "status": 409,
                     *       "detail": "The request conflicts with the state of the resource",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The resource is not as the request expects it */
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#precondition-failed",
                     *       "title": "Precondition failed",
                     *       "status": 412,
                     *       "detail": "The resource is not in the state that the request expects",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#body-too-large",
                     *       "title": "The body is too large",
                     *       "status": 413,
                     *       "detail": "The body is larger than this operation accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A part of the path is too long */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#uri-too-long",
                     *       "title": "The path is too long",
                     *       "status": 414,
                     *       "detail": "A part of the path is longer than the service accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The media type is not supported */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unsupported-media-type",
                     *       "title": "Unsupported media type",
                     *       "status": 415,
                     *       "detail": "The body must be sent as application/json",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The database refuses the data */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unprocessable",
                     *       "title": "Unprocessable content",
                     *       "status": 422,
                     *       "detail": "The request is well formed but cannot be carried out",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listUserAnalytics: {
        parameters: {
            query?: {
                /** @description Items at most. A page ends early, with its `next` link, where it would be too large; with `skip` it is refused */
                limit?: number;
                /** @description Items to leave out; not together with `after` */
                skip?: number;
                /**
                 * @description Where the page begins: taken from the `Link` header of the page before; not together with `skip`
                 * @example 3_42
                 */
                after?: string;
            };
            header?: {
                /**
                 * @description Up to 8 tokens of own writes, separated by commas; the answer waits up to a second until it shows them; 400 for what is no token
                 * @example sql-users-5f2c9a011-4711-42
                 */
                "consistency-token"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of numbers */
            200: {
                headers: {
                    /** @description Path of the next page, `rel="next"`; absent on the last one */
                    Link?: string;
                    /** @description The tokens asked for, if the answer shows those writes */
                    "Consistency-Token"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserAnalytics"][];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listUsers: {
        parameters: {
            query?: {
                /** @description Items at most. A page ends early, with its `next` link, where it would be too large; with `skip` it is refused */
                limit?: number;
                /** @description Items to leave out; not together with `after` */
                skip?: number;
                /**
                 * @description Where the page begins: taken from the `Link` header of the page before, of the same `sort`; not together with `skip`
                 * @example 42
                 */
                after?: string;
                /** @description Order of the list, `-` in front: from the last to the first, the id breaks ties. Without it: `id` */
                sort?: "id" | "-id" | "name" | "-name";
                /** @description Only the user with this e-mail */
                email?: string;
            };
            header?: {
                /**
                 * @description Up to 8 tokens of own writes, separated by commas; the answer waits up to a second until it shows them; 400 for what is no token
                 * @example sql-users-5f2c9a011-4711-42
                 */
                "consistency-token"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of users */
            200: {
                headers: {
                    /** @description Path of the next page, `rel="next"`; absent on the last one */
                    Link?: string;
                    /** @description The tokens asked for, if the answer shows those writes */
                    "Consistency-Token"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserWithPosts"][];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    createUser: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Makes a repeat of this request harmless: the first answer is given again for 24 hours. Choose a new one, such as a UUID, for each new request.
                 * @example "8e03978e-40d5-43dd-bc93-6894a57f9324"
                 */
                "idempotency-key"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserCreate"];
            };
        };
        responses: {
            /** @description The new user */
            201: {
                headers: {
                    /** @description Path of the new resource */
                    Location?: string;
                    /** @description `true`: the answer to an earlier request with the same Idempotency-Key */
                    "Idempotency-Replayed"?: string;
                    /** @description Strong entity tag of the resource as it is answered */
                    ETag?: string;
                    /** @description Names the write; send it back on a read that must show it */
                    "Consistency-Token"?: string;
                    /** @description wait=N, if the other database has the write */
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request conflicts with what is stored */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#conflict",
                     *       "title": "Conflict",
                     *       "status": 409,
                     *       "detail": "The request conflicts with the state of the resource",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#body-too-large",
                     *       "title": "The body is too large",
                     *       "status": 413,
                     *       "detail": "The body is larger than this operation accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The media type is not supported */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unsupported-media-type",
                     *       "title": "Unsupported media type",
                     *       "status": 415,
                     *       "detail": "The body must be sent as application/json",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The database refuses the data */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unprocessable",
                     *       "title": "Unprocessable content",
                     *       "status": 422,
                     *       "detail": "The request is well formed but cannot be carried out",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listUserSummaries: {
        parameters: {
            query?: {
                /** @description Items at most. A page ends early, with its `next` link, where it would be too large; with `skip` it is refused */
                limit?: number;
                /** @description Items to leave out; not together with `after` */
                skip?: number;
                /** @description Where the page begins: taken from the `Link` header of the page before; not together with `skip` */
                after?: number;
            };
            header?: {
                /**
                 * @description Up to 8 tokens of own writes, separated by commas; the answer waits up to a second until it shows them; 400 for what is no token
                 * @example sql-users-5f2c9a011-4711-42
                 */
                "consistency-token"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description A page of summaries */
            200: {
                headers: {
                    /** @description Path of the next page, `rel="next"`; absent on the last one */
                    Link?: string;
                    /** @description The tokens asked for, if the answer shows those writes */
                    "Consistency-Token"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserSummary"][];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getUser: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description ETags of what the client has; 304 when it is still that
                 * @example "7-c0ffee00"
                 */
                "if-none-match"?: string;
                /**
                 * @description Up to 8 tokens of own writes, separated by commas; the answer waits up to a second until it shows them; 400 for what is no token
                 * @example sql-users-5f2c9a011-4711-42
                 */
                "consistency-token"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path: {
                /**
                 * @description Id of the user
                 * @example 42
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The user */
            200: {
                headers: {
                    /** @description Strong entity tag of the resource as it is answered */
                    ETag?: string;
                    /** @description The tokens asked for, if the answer shows those writes */
                    "Consistency-Token"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description The client has it already */
            304: {
                headers: {
                    /** @description Strong entity tag of the resource as it is answered */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such resource */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#not-found",
                     *       "title": "Not found",
                     *       "status": 404,
                     *       "detail": "There is nothing at this path",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A part of the path is too long */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#uri-too-long",
                     *       "title": "The path is too long",
                     *       "status": 414,
                     *       "detail": "A part of the path is longer than the service accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    putUser: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description ETags of the resource as it may be changed; 412 when it has changed since
                 * @example "7-c0ffee00"
                 */
                "if-match"?: string;
                /**
                 * @description `*`, or ETags that the resource must not have
                 * @example "7-c0ffee00"
                 */
                "if-none-match"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path: {
                /**
                 * @description Id of the user
                 * @example 42
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserUpdate"];
            };
        };
        responses: {
            /** @description The user as it is now */
            200: {
                headers: {
                    /** @description Strong entity tag of the resource as it is answered */
                    ETag?: string;
                    /** @description Names the write; send it back on a read that must show it */
                    "Consistency-Token"?: string;
                    /** @description wait=N, if the other database has the write */
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such resource */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#not-found",
                     *       "title": "Not found",
                     *       "status": 404,
                     *       "detail": "There is nothing at this path",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request conflicts with what is stored */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#conflict",
                     *       "title": "Conflict",
                     *       "status": 409,
                     *       "detail": "The request conflicts with the state of the resource",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The resource is not as the request expects it */
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#precondition-failed",
                     *       "title": "Precondition failed",
                     *       "status": 412,
                     *       "detail": "The resource is not in the state that the request expects",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#body-too-large",
                     *       "title": "The body is too large",
                     *       "status": 413,
                     *       "detail": "The body is larger than this operation accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A part of the path is too long */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#uri-too-long",
                     *       "title": "The path is too long",
                     *       "status": 414,
                     *       "detail": "A part of the path is longer than the service accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The media type is not supported */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unsupported-media-type",
                     *       "title": "Unsupported media type",
                     *       "status": 415,
                     *       "detail": "The body must be sent as application/json",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The database refuses the data */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unprocessable",
                     *       "title": "Unprocessable content",
                     *       "status": 422,
                     *       "detail": "The request is well formed but cannot be carried out",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    deleteUser: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description ETags of the resource as it may be changed; 412 when it has changed since
                 * @example "7-c0ffee00"
                 */
                "if-match"?: string;
                /**
                 * @description `*`, or ETags that the resource must not have
                 * @example "7-c0ffee00"
                 */
                "if-none-match"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path: {
                /**
                 * @description Id of the user
                 * @example 42
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Deleted */
            204: {
                headers: {
                    /** @description Names the write; send it back on a read that must show it */
                    "Consistency-Token"?: string;
                    /** @description wait=N, if the other database has the write */
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such resource */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#not-found",
                     *       "title": "Not found",
                     *       "status": 404,
                     *       "detail": "There is nothing at this path",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request conflicts with what is stored */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#conflict",
                     *       "title": "Conflict",
                     *       "status": 409,
                     *       "detail": "The request conflicts with the state of the resource",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The resource is not as the request expects it */
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#precondition-failed",
                     *       "title": "Precondition failed",
                     *       "status": 412,
                     *       "detail": "The resource is not in the state that the request expects",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A part of the path is too long */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#uri-too-long",
                     *       "title": "The path is too long",
                     *       "status": 414,
                     *       "detail": "A part of the path is longer than the service accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    patchUser: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description ETags of the resource as it may be changed; 412 when it has changed since
                 * @example "7-c0ffee00"
                 */
                "if-match"?: string;
                /**
                 * @description `*`, or ETags that the resource must not have
                 * @example "7-c0ffee00"
                 */
                "if-none-match"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path: {
                /**
                 * @description Id of the user
                 * @example 42
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserUpdate"];
            };
        };
        responses: {
            /** @description The user as it is now */
            200: {
                headers: {
                    /** @description Strong entity tag of the resource as it is answered */
                    ETag?: string;
                    /** @description Names the write; send it back on a read that must show it */
                    "Consistency-Token"?: string;
                    /** @description wait=N, if the other database has the write */
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["User"];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description There is no such resource */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#not-found",
                     *       "title": "Not found",
                     *       "status": 404,
                     *       "detail": "There is nothing at this path",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request conflicts with what is stored */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#conflict",
                     *       "title": "Conflict",
                     *       "status": 409,
                     *       "detail": "The request conflicts with the state of the resource",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The resource is not as the request expects it */
            412: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#precondition-failed",
                     *       "title": "Precondition failed",
                     *       "status": 412,
                     *       "detail": "The resource is not in the state that the request expects",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#body-too-large",
                     *       "title": "The body is too large",
                     *       "status": 413,
                     *       "detail": "The body is larger than this operation accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A part of the path is too long */
            414: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#uri-too-long",
                     *       "title": "The path is too long",
                     *       "status": 414,
                     *       "detail": "A part of the path is longer than the service accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The media type is not supported */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unsupported-media-type",
                     *       "title": "Unsupported media type",
                     *       "status": 415,
                     *       "detail": "The body must be sent as application/json",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The database refuses the data */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unprocessable",
                     *       "title": "Unprocessable content",
                     *       "status": 422,
                     *       "detail": "The request is well formed but cannot be carried out",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    createUserWithPost: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description Makes a repeat of this request harmless: the first answer is given again for 24 hours. Choose a new one, such as a UUID, for each new request.
                 * @example "8e03978e-40d5-43dd-bc93-6894a57f9324"
                 */
                "idempotency-key"?: string;
                /**
                 * @description wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write
                 * @example wait=2
                 */
                prefer?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["UserWithPostCreate"];
            };
        };
        responses: {
            /** @description The new user with the post */
            201: {
                headers: {
                    /** @description Path of the new resource */
                    Location?: string;
                    /** @description `true`: the answer to an earlier request with the same Idempotency-Key */
                    "Idempotency-Replayed"?: string;
                    /** @description Strong entity tag of the resource as it is answered */
                    ETag?: string;
                    /** @description Names the write; send it back on a read that must show it */
                    "Consistency-Token"?: string;
                    /** @description wait=N, if the other database has the write */
                    "Preference-Applied"?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UserWithPost"];
                };
            };
            /** @description The request cannot be read or does not match its schema */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#invalid-request",
                     *       "title": "The request does not match its schema",
                     *       "status": 400,
                     *       "detail": "The query of the request has 1 error",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77",
                     *       "errors": [
                     *         {
                     *           "pointer": "/limt",
                     *           "detail": "is not a known parameter",
                     *           "in": "query"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request did not arrive completely in time */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#request-timeout",
                     *       "title": "The request took too long to arrive",
                     *       "status": 408,
                     *       "detail": "The request did not arrive completely in time",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request conflicts with what is stored */
            409: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#conflict",
                     *       "title": "Conflict",
                     *       "status": 409,
                     *       "detail": "The request conflicts with the state of the resource",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The request is too large */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#body-too-large",
                     *       "title": "The body is too large",
                     *       "status": 413,
                     *       "detail": "The body is larger than this operation accepts",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The media type is not supported */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unsupported-media-type",
                     *       "title": "Unsupported media type",
                     *       "status": 415,
                     *       "detail": "The body must be sent as application/json",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description The database refuses the data */
            422: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unprocessable",
                     *       "title": "Unprocessable content",
                     *       "status": 422,
                     *       "detail": "The request is well formed but cannot be carried out",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description More requests of one client than the service allows, where it sets a limit */
            429: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#too-many-requests",
                     *       "title": "Too many requests",
                     *       "status": 429,
                     *       "detail": "Slow down, and try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description A fault of the service, or an outcome that is not known */
            500: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#internal",
                     *       "title": "Internal error",
                     *       "status": 500,
                     *       "detail": "A fault of the service; nothing was stored in its databases. Quote the instance when you report it",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description Not available now, try again later */
            503: {
                headers: {
                    /** @description Seconds to wait */
                    "Retry-After"?: number;
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#unavailable",
                     *       "title": "Not available now",
                     *       "status": 503,
                     *       "detail": "The service cannot answer now; try again after the time in Retry-After",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description It took too long and was given up */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "type": "/docs/problems#database-timeout",
                     *       "title": "Took too long",
                     *       "status": 504,
                     *       "detail": "The request passed its time limit and was rolled back; nothing was stored",
                     *       "instance": "b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77"
                     *     }
                     */
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
