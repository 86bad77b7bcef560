import { addReading, formatNumber, formatSeconds, getQuantile, getRate, readingBefore } from './series.js'

const STATES = { ready: ['Ready', 'good'], 'not ready': ['Not ready', 'bad'], draining: ['Draining', 'warn'] }
const CONDITIONS = { up: 'good', degraded: 'warn', connecting: 'warn', working: 'good', following: 'good', copying: 'warn', 'repairing copies': 'warn', 'backing off': 'bad' }
const STORE_NAMES = { sql: 'SQL', mongo: 'MongoDB' }
const DIRECTIONS = { sql_to_mongo: ['SQL → MongoDB', 'sql'], mongo_to_sql: ['MongoDB → SQL', 'mongo'] }
const POLL_MS = 1000
const SILENCE_MS = 3000

let readings = []
const byId = (id) => document.getElementById(id)

// Only what changed is touched, so that a selection survives the next second.
function set (element, text, classes) {
  const next = String(text)
  if (element.textContent !== next) element.textContent = next
  if (classes !== undefined && element.getAttribute('class') !== classes) element.setAttribute('class', classes)
}

function make (tag, classes, ...children) {
  const element = document.createElement(tag)
  if (classes) element.className = classes
  element.append(...children)
  return element
}

// One child of `parent` per key, made once and moved into the order of `items`.
function list (parent, items, toKey, create, update) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]))
  for (const [at, item] of items.entries()) {
    const key = toKey(item)
    const child = known.get(key) ?? create(item)
    child.dataset.key = key
    known.delete(key)
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null)
    update(child, item)
  }
  for (const child of known.values()) child.remove()
}

function facts (parent, entries) {
  list(parent, entries, ([name]) => name, ([name, , classes]) => make('div', '', make('dt', classes ?? '', name), make('dd', '')), (child, [, value, , isAlarm]) => {
    set(child.lastChild, value)
    child.className = isAlarm ? 'alarm' : ''
  })
}

function card (owner, ...parts) {
  const title = make('h3', '')
  return make('article', `card ${owner}`, make('header', '', title, make('span', 'pill')), ...parts)
}

function spark () {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  svg.setAttribute('class', 'spark')
  svg.setAttribute('viewBox', '0 0 120 40')
  svg.setAttribute('preserveAspectRatio', 'none')
  svg.setAttribute('role', 'img')
  for (const name of ['area', 'line']) {
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path')
    path.setAttribute('class', name)
    svg.append(path)
  }
  return svg
}

function draw (svg, values, label, atLeast) {
  const top = Math.max(atLeast, ...values)
  const points = values.map((value, at) => `${(120 - values.length + 1 + at).toFixed(1)} ${(39 - 37 * value / top).toFixed(1)}`)
  const [area, line] = svg.children
  const path = points.length === 0 ? '' : `M${points.join('L')}`
  line.setAttribute('d', path)
  area.setAttribute('d', path && `${path}L120 40L${121 - values.length} 40Z`)
  svg.setAttribute('aria-label', `${label}, last two minutes: now ${formatNumber(values.at(-1))}, at most ${formatNumber(Math.max(0, ...values))}`)
}

function showStores (now) {
  const getCondition = (name) => now.checks[name === 'mongodb' ? 'mongodb' : 'sql'] ?? 'unknown'
  list(byId('stores'), now.pools, ({ name }) => name, ({ name }) => {
    const bar = make('div', 'bar', make('span', 'used'), make('span', 'idle'))
    bar.setAttribute('role', 'img')
    return card(name === 'mongodb' ? 'mongo' : 'sql', bar, make('dl', 'facts'), spark())
  }, (child, { name, used, idle, waiting, max }) => {
    const [head, bar, numbers, line] = child.children
    set(head.firstChild, { postgresql: 'PostgreSQL', mongodb: 'MongoDB', sqlite: 'SQLite' }[name] ?? name)
    const condition = getCondition(name)
    set(head.lastChild, condition, `pill ${CONDITIONS[condition] ?? 'bad'}`)
    bar.setAttribute('aria-label', `${used} of ${max} connections busy, ${idle} idle`)
    for (const [at, count] of [used, idle].entries()) bar.children[at].style.width = `${max === 0 ? 0 : 100 * count / max}%`
    facts(numbers, [['busy', used, 'key used'], ['idle', idle, 'key idle'], ['of', max], ['waiting', waiting, '', waiting > 0]])
    draw(line, readings.map(({ pools }) => pools.find((pool) => pool.name === name)?.used ?? 0), 'busy connections', 4)
  })
}

function showTransactions (now, recent, minute) {
  const ofStore = (reading, store) => reading?.transactions.find((entry) => entry.store === store)
  const ended = (store) => (reading) => Object.values(ofStore(reading, store)?.outcomes ?? {}).reduce((sum, count) => sum + count, 0)
  list(byId('transactions'), now.transactions, ({ store }) => store, ({ store }) => (
    card(store, make('div', 'split', make('p', 'big', make('span', ''), ' ', make('small', '', 'per second')), spark()), make('dl', 'facts'), make('dl', 'facts'))
  ), (child, { store, open, oldest_seconds: oldest, retries, outcomes, durations }) => {
    const [head, split, times, counts] = child.children
    set(head.firstChild, STORE_NAMES[store])
    set(head.lastChild, open === 0 ? 'none open' : `${open} open, oldest ${formatSeconds(oldest)}`, oldest > 5 ? 'pill warn' : 'pill')
    set(split.firstChild.firstChild, formatNumber(getRate(recent, now, ended(store))))
    draw(split.lastChild, readings.slice(1).map((reading, at) => getRate(readings[at], reading, ended(store)) ?? 0), 'transactions per second', 1)
    const before = ofStore(minute, store)?.durations
    facts(times, [['median', formatSeconds(getQuantile(before, durations, 0.5))], ['99 %', formatSeconds(getQuantile(before, durations, 0.99))], ['handlers run again', retries]])
    facts(counts, Object.entries(outcomes).map(([outcome, count]) => (
      [outcome.replace('_', ' '), formatNumber(count), '', count > 0 && !['committed', 'rolled_back'].includes(outcome)]
    )))
  })
}

const ago = (now, at) => at === undefined || at === null ? '–' : formatSeconds(Math.max(0, Math.round((now.at - at) / 1000)))

function showPair (now) {
  const pairs = now.pair ? [now.pair] : []
  list(byId('pair'), pairs, () => 'pair', () => card('', make('dl', 'facts'), make('dl', 'facts')), (child, { condition, since, id, epoch, counter, repairs, comparing }) => {
    const [head, numbers, copies] = child.children
    set(head.firstChild, 'SQL and MongoDB')
    set(head.lastChild, condition, `pill ${CONDITIONS[condition] ?? 'bad'}`)
    facts(numbers, [['for', ago(now, since)], ['pair', id ?? '–'], ['epoch', epoch ?? '–'], ['count', formatNumber(counter)], ['went back', repairs, '', repairs > 0]])
    facts(copies, comparing.map(({ copy, compared, since }) => [`${copy} compared`, `${formatNumber(compared)} in ${ago(now, since)}`]))
  })
}

function showProjections (now, recent) {
  const parent = byId('projections')
  if (now.projections.length === 0) return set(parent, 'This service has no projections.', 'soft')
  if (parent.className === 'soft') set(parent, '', 'cards')
  const same = (one) => (other) => other.direction === one.direction && other.name === one.name
  list(parent, now.projections, ({ direction, name }) => `${direction} ${name}`, ({ direction }) => (
    card(DIRECTIONS[direction][1], make('div', 'split', make('p', 'big', make('span', ''), ' ', make('small', '', 'behind')), spark()), make('dl', 'facts'))
  ), (child, projection) => {
    const { direction, name, state, applied, waiting, parked, failed } = projection
    const [head, split, numbers] = child.children
    set(head.firstChild, `${DIRECTIONS[direction][0]}: ${name}`)
    set(head.lastChild, state, `pill ${CONDITIONS[state] ?? 'warn'}`)
    set(split.firstChild.firstChild, formatSeconds(projection.lag_seconds))
    draw(split.lastChild, readings.map(({ projections }) => projections.find(same(projection))?.lag_seconds ?? 0), 'seconds behind', 1)
    const rate = getRate(recent, now, ({ projections }) => projections.find(same(projection))?.applied)
    const backlog = waiting === undefined ? [] : [['waiting', formatNumber(waiting)], ['parked', parked, '', parked > 0], ['failed tries', failed]]
    const led = projection.leader === 'every process' ? projection.leader : `${projection.leader}, ${ago(now, projection.led_since)}`
    facts(numbers, [['led by', led, '', projection.without_leader], ['per second', formatNumber(rate)], ['applied', formatNumber(applied)], ...backlog])
  })
}

function row (parent, items, toKey, getCells, empty) {
  const shown = items.length === 0 ? [undefined] : items
  const columns = parent.parentElement.querySelectorAll('th').length
  list(parent, shown, (item) => item === undefined ? '' : toKey(item), () => make('tr', ''), (child, item) => {
    const cells = item === undefined ? [[empty, 'none']] : getCells(item)
    while (child.children.length < cells.length) child.append(make('td', ''))
    if (item === undefined) child.firstChild.colSpan = columns
    for (const [at, [text, classes = '']] of cells.entries()) set(child.children[at], text, classes)
  })
}

function showRoutes (now, recent, minute) {
  const find = (reading, route) => reading?.routes.find((entry) => entry.route === route)
  const rates = new Map(now.routes.map(({ route }) => [route, getRate(recent, now, (reading) => find(reading, route)?.durations.count)]))
  const busiest = now.routes.toSorted((one, other) => rates.get(other.route) - rates.get(one.route) || other.durations.count - one.durations.count)
  row(byId('routes'), busiest, ({ route }) => route, ({ route, durations, refused, failed }) => {
    const before = find(minute, route)?.durations
    return [
      [route.endsWith(' ') ? `${route}(no such path)` : route], [formatNumber(rates.get(route))],
      [formatSeconds(getQuantile(before, durations, 0.5))], [formatSeconds(getQuantile(before, durations, 0.99))],
      [formatNumber(durations.count)], [formatNumber(refused)], [formatNumber(failed), failed > 0 ? 'alarm' : '']
    ]
  }, 'No requests yet.')
}

function showInDoubt (now) {
  byId('in-doubt-section').hidden = now.in_doubt.length === 0
  row(byId('in-doubt'), now.in_doubt, ({ gid }) => gid, ({ gid, doubt, age_seconds: age }) => [
    [gid], [formatSeconds(age), age > 10 ? 'alarm' : ''], [doubt, 'text']
  ], 'Nothing is in doubt.')
}

function showProblems (now) {
  row(byId('problems'), now.problems, ({ type }) => type, ({ title, status, count, at, route }) => [
    [title], [status, status >= 500 ? 'alarm' : ''], [formatNumber(count)], [`${formatSeconds(Math.max(0, Math.round((now.at - at) / 1000)))} ago`], [route, 'text']
  ], 'No errors since the start.')
}

function showProcess (now, recent) {
  const busy = recent && (now.process.event_loop_active_ms - recent.process.event_loop_active_ms) / (now.at - recent.at)
  facts(byId('process'), [
    ['up', formatSeconds(now.process.uptime_seconds)],
    ['memory', `${Math.round(now.process.rss_bytes / 1048576)} MB`],
    ['event loop', busy === undefined ? '–' : `${Math.round(Math.min(1, Math.max(0, busy)) * 100)} %`, '', busy > 0.9]
  ])
}

function show (now) {
  const [text, tone] = STATES[now.status] ?? [now.status, 'bad']
  set(byId('state'), text, `pill ${tone}`)
  document.title = `${text} · Tandem`
  const recent = readingBefore(readings, 10)
  const minute = readingBefore(readings, 60)
  showProcess(now, recent)
  showStores(now)
  showTransactions(now, recent, minute)
  showPair(now)
  showProjections(now, recent)
  showInDoubt(now)
  showRoutes(now, recent, minute)
  showProblems(now)
}

async function poll () {
  try {
    const response = await fetch('status.json', { signal: AbortSignal.timeout(SILENCE_MS) })
    if (!response.ok) throw new Error(`status ${response.status}`)
    const reading = await response.json()
    readings = addReading(readings, reading)
    document.body.className = ''
    show(reading)
  } catch {
    const last = readings.at(-1)?.at
    const since = last === undefined ? '' : ` for ${formatSeconds(Math.round((Date.now() - last) / 1000))}`
    set(byId('state'), `No answer${since}`, 'pill bad')
    document.title = 'No answer · Tandem'
    document.body.className = 'stale'
  }
  setTimeout(() => void poll(), POLL_MS)
}

await poll()
