/** How far a transaction has come. */
export type State =
  | 'idle'
  | 'opening'
  | 'open'
  | 'committing'
  | 'committed'
  | 'rolling back'
  | 'rolled back'
  | 'failed'
  | 'lost'
  | 'unknown'
