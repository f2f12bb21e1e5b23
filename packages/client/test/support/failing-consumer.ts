/**
 * A consumer process whose handler fails on some messages, says what it did and waits to be killed. Arguments: URL, mQ ID, group, cache folder.
 */
import { connect } from '../../src/index.ts'

const [url, id, group, cacheDir] = process.argv.slice(2) as [string, string, string, string]
const mq = await connect({ url, app: 'failing', cacheDir, logger: { warn: () => {}, error: () => {} } })
await mq.consume<{ n: number; bad?: boolean }>(
  id,
  group,
  async ({ value, attempt }) => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    if (value.bad === true) {
      process.stdout.write(`bad ${value.n} ${attempt}\n`)
      throw new RangeError(`cannot handle ${value.n}`)
    }
    process.stdout.write(`good ${value.n} ${attempt}\n`)
  },
  { concurrency: 4 },
)
