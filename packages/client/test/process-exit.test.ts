/** A program that has closed its connection ends by itself: nothing of mQ keeps it. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { bindingOf } from './support/bindings.ts'
import { TestControlPlane } from './support/control-plane.ts'

const run = promisify(execFile)
const PROGRAMS: Readonly<Record<string, string>> = {
  'did nothing': `await mq.close()`,
  'sent what is invalid': `await mq.send('BAD ID', 1).catch(() => {}); await mq.close()`,
  'could not send': `void mq.send('orders.placed', 1); await mq.close({ deadlineMs: 300 }).catch((error) => console.error(error.code))`,
  'was joining a group': `mq.consume('orders.placed', 'g', () => {}).catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, 300)); await mq.close()`,
  'was reading': `mq.read('orders.placed', { from: 'earliest' }).catch(() => {}); await mq.close()`,
}
/** What keeps a process, beside the pipes to its parent. */
const KEPT = `for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve))
console.log(JSON.stringify(process.getActiveResourcesInfo().filter((what) => !/^(PipeWrap|TTYWrap|Immediate)$/.test(what))))`

describe('a process that closed its connection', { timeout: 300_000 }, () => {
  let plane: TestControlPlane
  // Takes connections and answers nothing.
  const broker = createServer(() => {})
  before(async () => {
    plane = await TestControlPlane.start()
    await new Promise<void>((resolve) => broker.listen(0, '127.0.0.1', resolve))
    const { port } = broker.address() as { port: number }
    const clusters = [{ name: 'main', bootstrap: [`127.0.0.1:${port}`], securityProtocol: 'plaintext' as const }]
    plane.bindings.set('orders.placed', bindingOf({ clusters }))
  })
  after(async () => {
    broker.close()
    await plane.stop()
  })

  for (const [what, body] of Object.entries(PROGRAMS)) {
    it(`is kept by nothing and ends with 0 when it ${what}`, async () => {
      const program = `import { connect } from '@mq/client'
        const mq = await connect({ url: '${plane.url}', app: 'exits', cacheDir: null })
        ${body}
        ${KEPT}`
      const node = ['--conditions=mq-source', '--input-type=module', '-e', program]
      const { stdout } = await run(process.execPath, node, { timeout: 300_000, cwd: import.meta.dirname })
      assert.deepEqual(JSON.parse(stdout.trim().split('\n').at(-1)!), [])
    })
  }
})
