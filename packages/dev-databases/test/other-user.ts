// A process of its own that uses the embedded databases, for life.test.ts. Argument: the options of startEmbedded as
// JSON, and `ends`: do not stay.
import { startEmbedded } from '../src/index.ts'

const { ends, ...options } = JSON.parse(process.argv[2] ?? '')
try {
  const { postgres, mongodb, stop } = await startEmbedded(options)
  process.send?.({ postgres, mongodb })
  if (ends !== true) {
    process.on('message', () => {
      void stop().then(() => {
        process.disconnect()
      })
    })
  }
} catch (error) {
  process.send?.({
    error: error instanceof Error
      ? { name: error.name, message: error.message, code: Reflect.get(error, 'code') }
      : String(error)
  })
  process.disconnect()
}
