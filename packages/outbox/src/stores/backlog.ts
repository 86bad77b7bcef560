/** Rows of a topic counted at most, so that measuring costs the same however many wait. */
const COUNTED = 1000

/** How each database words what the statement asks for. */
const words = {
  postgres: {
    rows: (table: string) => `pg_stat_get_live_tuples('${table}'::regclass)`,
    greatest: 'greatest',
    age: '(extract(epoch FROM clock_timestamp() - created_at) * 1000)::float8'
  },
  sqlite: {
    rows: (table: string) => `(SELECT max(id) FROM ${table}) - (SELECT min(id) FROM ${table}) + 1`,
    greatest: 'max',
    age: "(julianday('now') - julianday(created_at)) * 86400000"
  }
}

/**
 * The statement that measures the backlog of every topic. Rows are counted up to a thousand; where more of a topic
 * wait, what the database knows of the size of the table is shared out among such topics.
 * @param dialect the database it is for
 * @param table the outbox
 */
export function backlogSql (dialect: keyof typeof words, table: string): string {
  const { rows, greatest, age } = words[dialect]
  // No table that checkTable() lets pass has a space in its name.
  const of = (state: string) => `${table} AS o WHERE o.topic = t.topic AND o.parked_at ${state}`
  const count = (state: string) => `(SELECT count(*) FROM (SELECT 1 FROM ${of(state)} LIMIT ${COUNTED}) AS counted)`
  const next = (after: string) => `(SELECT min(o.topic) FROM ${table} AS o${after})`
  return `WITH RECURSIVE "its topics" (topic) AS (
      SELECT ${next('')} UNION ALL
      SELECT ${next(' WHERE o.topic > t.topic')} FROM "its topics" AS t WHERE t.topic IS NOT NULL
    ), "its counts" AS (
      SELECT t.topic, ${count('IS NULL')} AS waiting, ${count('IS NOT NULL')} AS parked,
        (SELECT ${age} FROM ${of('IS NULL')} ORDER BY o.id LIMIT 1) AS age
      FROM "its topics" AS t WHERE t.topic IS NOT NULL
    ), "its shares" AS (
      SELECT c.*, (${rows(table)} - sum(parked + CASE WHEN waiting < ${COUNTED} THEN waiting ELSE 0 END) OVER ())
        / nullif(sum(CASE WHEN waiting < ${COUNTED} THEN 0 ELSE 1 END) OVER (), 0) AS share
      FROM "its counts" AS c
    )
    SELECT topic, cast(CASE WHEN waiting < ${COUNTED} THEN waiting ELSE ${greatest}(waiting, share) END AS integer) AS waiting,
      cast(parked AS integer) AS parked, ${greatest}(coalesce(age, 0), 0) AS "oldestMs"
    FROM "its shares"`
}
