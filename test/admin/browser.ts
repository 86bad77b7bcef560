import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { comesTrue } from '../helper.ts'
import { isRemoved } from '../folder.ts'

type Params = Record<string, unknown>
interface Message {
  id?: number
  method?: string
  params?: Params
  result?: Params
  error?: { message: string }
}

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome']
const ARGUMENTS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--hide-scrollbars',
  '--remote-debugging-pipe'
]

/** The Chromium of this machine: `CHROMIUM`, or the first of the usual names; undefined without one. */
export function findChromium (): string | undefined {
  const { CHROMIUM } = process.env
  return [CHROMIUM ?? [], NAMES].flat().find((name) => spawnSync(name, ['--version']).status === 0)
}

/** A headless Chromium with one page, driven through its debugging pipe. */
export class Browser {
  /** Everything the page complained about: console errors, exceptions, violations of its policy. */
  readonly complaints: string[] = []
  readonly #process: ChildProcess
  readonly #input: Writable
  readonly #profile = mkdtempSync(join(tmpdir(), 'tandem-chromium-'))
  readonly #waiting = new Map<number, (message: Message) => void>()
  #last = 0
  #session: string | undefined

  private constructor (program: string) {
    this.#process = spawn(program, [...ARGUMENTS, `--user-data-dir=${this.#profile}`], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']
    })
    this.#input = this.#process.stdio[3] as Writable
    let received = ''
    const output = this.#process.stdio[4] as Readable
    output.setEncoding('utf8').on('data', (chunk: string) => {
      const messages = (received + chunk).split('\0')
      received = messages.pop() ?? ''
      for (const message of messages) this.#receive(JSON.parse(message) as Message)
    })
  }

  /**
   * Opens a page.
   * @param program what `findChromium` found
   * @param url where to
   * @param dark asks the page for its dark colours
   */
  static async open (
    program: string,
    url: string,
    { dark = false, width = 1240, height = 1400 } = {}
  ): Promise<Browser> {
    const browser = new Browser(program)
    const { targetId } = await browser.#send('Target.createTarget', { url: 'about:blank' })
    browser.#session = String((await browser.#send('Target.attachToTarget', { targetId, flatten: true })).sessionId)
    for (const domain of ['Page', 'Runtime', 'Log']) await browser.#send(`${domain}.enable`)
    await browser.#send('Emulation.setEmulatedMedia', {
      features: [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]
    })
    await browser.#send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false })
    await browser.#send('Page.navigate', { url })
    return browser
  }

  /** What an expression is in the page. */
  async evaluate (expression: string): Promise<unknown> {
    const { result } = await this.#send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
    return (result as { value?: unknown }).value
  }

  /** The page as a PNG. */
  async screenshot (): Promise<Buffer> {
    const { data } = await this.#send('Page.captureScreenshot', { format: 'png' })
    return Buffer.from(String(data), 'base64')
  }

  /** Ends Chromium and removes what it wrote. */
  async close (): Promise<void> {
    const exited = new Promise((resolve) => {
      this.#process.once('exit', resolve)
    })
    this.#process.kill('SIGKILL')
    await exited
    // Its helpers outlive it for a moment, and go on writing.
    await comesTrue(() => isRemoved(this.#profile))
  }

  async #send (method: string, params: Params = {}): Promise<Params> {
    const id = ++this.#last
    const answer = new Promise<Message>((resolve) => {
      this.#waiting.set(id, resolve)
    })
    this.#input.write(
      `${
        JSON.stringify({ id, method, params, ...(this.#session === undefined ? {} : { sessionId: this.#session }) })
      }\0`
    )
    const { result, error } = await answer
    if (error !== undefined) throw new Error(`${method}: ${error.message}`)
    return result ?? {}
  }

  #receive ({ id, method, params, result, error }: Message): void {
    if (id !== undefined) {
      this.#waiting.get(id)?.({
        ...(result === undefined ? {} : { result }),
        ...(error === undefined ? {} : { error })
      })
    }
    if (method === 'Runtime.exceptionThrown') this.complaints.push(JSON.stringify(params?.exceptionDetails))
    if (method === 'Log.entryAdded') {
      const { level, text } = (params?.entry ?? {}) as { level?: string; text?: string }
      if (level === 'error' || level === 'warning') this.complaints.push(String(text))
    }
  }
}
