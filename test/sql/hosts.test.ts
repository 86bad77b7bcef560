// What a DATABASE_URL of several hosts says, and what is wrong with it.
import t from 'tap'
import { orderHosts, shun } from '../../drizzle/hosts/order.ts'
import { describeHost, parseHosts } from '../../drizzle/hosts/parse.ts'
import { getPlace, readSettings, SettingsError } from '../../plugins/config.ts'

const read = (url: string) => parseHosts(url).hosts.map(describeHost)

function findLines (url: string): string[] {
  try {
    readSettings({ DATABASE_URL: url })
    return []
  } catch (error) {
    if (error instanceof SettingsError) return error.lines
    throw error
  }
}

t.test('hosts and ports, as libpq reads them', async (t) => {
  t.strictSame(read('postgres://u:p@h1:5432,h2:5433/db'), ['h1:5432', 'h2:5433'])
  t.strictSame(read('postgresql://h1,h2:5433,h3/db'), ['h1', 'h2:5433', 'h3'], 'a port belongs to its own host')
  t.strictSame(read('postgres://[::1]:5432,[fe80::2],10.0.0.1:7/db'), ['[::1]:5432', '[fe80::2]', '10.0.0.1:7'])
  t.strictSame(read('postgres://h1,h2/db?port=6000'), ['h1:6000', 'h2:6000'], 'one port for all')
  t.strictSame(read('postgres:///db?host=h1,h2&port=1,2'), ['h1:1', 'h2:2'])
  t.strictSame(read('postgres:///db?host=/run/a,/run/b'), ['/run/a', '/run/b'])
  t.strictSame(read('postgres://%2Frun%2Fa,%2Frun%2Fb/db'), ['/run/a', '/run/b'])
  t.strictSame(read('postgres://u:p%40ss,w%2Ford@h1,h2/db'), ['h1', 'h2'], 'a comma in the password is no host')
  t.strictSame(read('postgres:///db'), [''], 'what PGHOST says')
})

t.test('each host is given to pg with everything else that the URL says', async (t) => {
  const { hosts, rest, target, timeout, isShuffled } = parseHosts(
    'postgres://u:p%40@h1,[::2]:7/a%20b?sslmode=require&target_session_attrs=standby&connect_timeout=3&load_balance_hosts=random&options=-c%20x%3D1'
  )
  t.strictSame(hosts.map(rest), [
    'postgres://u:p%40@h1/a%20b?sslmode=require&options=-c%20x%3D1',
    'postgres://u:p%40@[::2]:7/a%20b?sslmode=require&options=-c%20x%3D1'
  ])
  t.strictSame([target, timeout, isShuffled], ['standby', 3000, true])
})

t.test('one line for each mistake, without user or password', async (t) => {
  const mistakes: Record<string, RegExp> = {
    'h1:5432,h2:abc/db': /port that is no number from 1 to 65535/,
    'h1:5432,h2:0/db': /port/,
    'h1:5432,h2:65536/db': /port/,
    'h1:99999/db': /port that is no number/,
    'h1,h2/db?port=1,2,3': /3 ports for 2 hosts: give one for all, or one for each/,
    'h1,,h2/db': /empty host between commas/,
    'h1,h2,/db': /empty host/,
    'h1,::1/db': /IPv6 address in brackets/,
    'h1,[::1/db': /brackets/,
    'h1,h%zz/db': /must be written as %25/,
    'h1:5432,h2,H1/db': /names h1:5432 twice/,
    'h1,h2/db?target_session_attrs=master': /one of any, read-write, read-only, primary, standby, prefer-standby/,
    'h1/db?target_session_attrs=': /target_session_attrs must be one of/,
    'h1,h2/db?load_balance_hosts=yes': /load_balance_hosts must be one of disable, random/,
    'h1,h2/db?connect_timeout=2s': /connect_timeout must be a whole number of seconds/
  }
  for (const [rest, expected] of Object.entries(mistakes)) {
    const lines = findLines(`postgres://ops:s3cret@${rest}`)
    t.equal(lines.length, 1, rest)
    t.match(lines[0], expected)
    t.notMatch(lines[0], /s3cret|ops/)
  }
  t.match(findLines('postgres://ops:s3%cret@h1,h2/db')[0], /% in user or password must be written as %25/)
  t.match(findLines('postgres://ops:s3/cret@h1:1,h2:2/db')[0], /percent-encoded/)
  t.notMatch(findLines('postgres://ops:s3/cret@h1:1,h2:2/db')[0], /s3|ops|cret/)
  t.strictSame(findLines('postgres://ops:100%@h1/db'), [], 'pg mends the URL of one host')
})

t.test('any list is read back as it was written', async (t) => {
  const some = Math.random().toString(36).slice(2, 8)
  const hosts = Array.from(
    { length: 1 + Math.floor(Math.random() * 6) },
    (_, at) => `${some}${at}.example.com:${1 + Math.floor(Math.random() * 65_535)}`
  )
  const url = `postgres://u:p@${hosts.join()}/db?target_session_attrs=primary`
  t.strictSame(read(url), hosts, url)
  t.equal(getPlace(url), `${hosts.join()}/db`)
  t.strictSame(findLines(url), [])
})

t.test('the order of the attempts', async (t) => {
  const list = parseHosts('postgres://o1,o2,o3/db')
  t.strictSame(orderHosts(list).map(describeHost), ['o1', 'o2', 'o3'])
  shun({ host: 'o1', port: undefined })
  t.strictSame(orderHosts(list).map(describeHost), ['o2', 'o3', 'o1'], 'one that was silent comes last')
  const random = parseHosts('postgres://r1,r2,r3/db?load_balance_hosts=random')
  const firsts = new Set(Array.from({ length: 200 }, () => orderHosts(random)[0]?.host))
  t.equal(firsts.size, 3, 'each of them comes first at times')
})
