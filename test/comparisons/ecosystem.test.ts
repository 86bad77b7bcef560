import { readFileSync } from 'node:fs'
import t from 'tap'
import { commonChecks } from '../../scripts/ecosystem/common.ts'
import { getFaults, markdown } from '../../scripts/ecosystem/table.ts'
import type { Result, Trial } from '../../scripts/ecosystem/trial.ts'
import { loadTrials } from '../../scripts/ecosystem/trials.ts'

const right: Result = { name: 'write', isRight: true, detail: '' }
const wrong: Result = { name: '304', isRight: false, detail: 'a reason' }

function row (before: Result[], after: Result[], own: Partial<Trial> = {}) {
  return { trial: { package: 'a-plugin', register () {}, ...own }, version: '1.0.0', results: { before, after } }
}

t.test('at least thirty plugins, each once, installed by the lock, with checks of different names', async (t) => {
  const trials = await loadTrials()
  const names = trials.map((trial) => trial.package)
  t.ok(names.length >= 30)
  t.equal(new Set(names).size, names.length)
  const manifest = JSON.parse(
    readFileSync(new URL('../../scripts/ecosystem/packages/package.json', import.meta.url), 'utf8')
  ) as { dependencies: Record<string, string> }
  t.same(names.filter((name) => manifest.dependencies[name] === undefined), [])
  for (const trial of trials) {
    const checks = [...commonChecks(trial), ...trial.checks ?? []].map(({ name }) => name)
    t.equal(new Set(checks).size, checks.length, trial.package)
    t.same(
      Object.keys(trial.explained ?? {}).filter((name) => name !== 'boot' && !checks.includes(name)),
      [],
      `${trial.package}: explanations name checks`
    )
  }
})

t.test('a check that is wrong and not explained is a fault, and so is an explanation that nothing needs', async (t) => {
  t.same(getFaults(row([right], [right])), [])
  t.match(getFaults(row([right, wrong], [right])), [{
    package: 'a-plugin',
    order: 'before',
    name: '304',
    detail: 'a reason'
  }])
  t.same(getFaults(row([right], [wrong], { explained: { 304: 'it answers so' } })), [])
  t.match(getFaults(row([right], [right], { explained: { 304: 'it answers so' } })), [{
    name: '304',
    detail: /take the explanation away/
  }])
  t.match(getFaults(row([], [right])), [{ order: 'before', name: 'nothing was checked' }])
})

t.test('the table says what is right, what is not, and what a user must know', async (t) => {
  const boot: Result = { name: 'boot', isRight: false, detail: 'no' }
  const line = (...of: Parameters<typeof row>) => markdown([row(...of)], 'PostgreSQL').split('\n').at(-1)
  t.equal(
    line([right], [right, wrong], { note: 'Know this.' }),
    '| a-plugin | 1.0.0 | ok (1) | **not ok**: 304 | Know this. |'
  )
  t.equal(
    line([right, wrong], [boot], { explained: { 304: 'it answers so.', boot: 'It cannot be.' } }),
    '| a-plugin | 1.0.0 | 1 of 2, see right | refused | 304: it answers so. It cannot be. |'
  )
})
