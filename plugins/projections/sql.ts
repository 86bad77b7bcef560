/** One statement; `$1`, `$2`… stand for the values, on both engines. */
export interface Sql {
  query: (text: string, values?: unknown[]) => Promise<{ rows: unknown[]; rowCount?: number | null }>
}

/** Runs a function in a transaction. */
export type RunSql = <Result>(fn: (tx: Sql) => Promise<Result>) => Promise<Result>
