/**
 * A consumer process that says what it handled and waits to be killed. Arguments: URL, mQ ID, group, cache folder.
 */
import { connect } from '../../src/index.ts'

const [url, id, group, cacheDir] = process.argv.slice(2) as [string, string, string, string]
const mq = await connect({ url, app: 'crash', cacheDir })
await mq.consume<{ n: number }>(
  id,
  group,
  async (message) => {
    // The last of a key never ends, so that something is under way when the process dies.
    if (message.value.n >= 90) await new Promise(() => {})
    process.stdout.write(`${message.value.n}\n`)
  },
  { concurrency: 20 },
)
