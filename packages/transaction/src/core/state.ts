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

type Word<S extends State> = S extends `${infer First} ${infer Second}` ? `${First}_${Second}` : S

/** A state as logs, metrics and spans say it: in one word. */
export function toWord<S extends State> (state: S): Word<S> {
  return state.replace(' ', '_') as Word<S>
}
