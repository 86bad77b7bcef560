/** Tests of the transaction package that send SQL in each way that statements, and faults, may come. */
export const OPENING = [
  'commit-or-rollback',
  'failed-statements',
  'retries',
  'unusual-replies',
  'handler-control',
  'connections',
  'faults',
  'random',
  'after-commit-and-log',
  'client-abort',
  'timeouts',
  'streams'
]
