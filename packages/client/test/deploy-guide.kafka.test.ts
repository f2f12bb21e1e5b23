/** The program of docs/guides/deploy.md, run as a process that is stopped as a container is. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, describe, it, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { groupIdOf } from '@mq/contract'
import { Admin, Cluster } from '@mq/kafka'
import { Stack } from './support/stack.ts'
import { until } from './support/time.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const GROUP = groupIdOf('orders.placed', 'billing')
/** What the guide leaves to the reader. A handler begins, is done after a moment, and says both. */
const HANDLER = `
async function handler(message: { value: { n: number } }): Promise<void> {
  console.log('begun', message.value.n)
  await new Promise((resolve) => setTimeout(resolve, 300))
  console.log('done', message.value.n)
}
`

interface Running {
  readonly child: ChildProcess
  readonly lines: string[]
}

describe('an application that is stopped', { timeout: 300_000 }, () => {
  let stack: Stack
  let cluster: Cluster
  let folder: string
  before(
    async () => {
      stack = await Stack.start()
      cluster = new Cluster({ name: 'main', clientId: 'looks', bootstrap: stack.cluster.bootstrap })
      mkdirSync(join(root, '.mq'), { recursive: true })
      // Inside the tree: there packages are found.
      folder = mkdtempSync(join(root, '.mq', 'deploy-guide-'))
    },
    { timeout: 300_000 },
  )
  after(
    async () => {
      await cluster?.close()
      await stack?.stop()
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
    },
    { timeout: 300_000 },
  )
  afterEach(() => stack.closeConnections(), { timeout: 300_000 })

  function program(): string {
    const guide = readFileSync(join(root, 'docs/guides/deploy.md'), 'utf8')
    const code = /```ts\n([\s\S]*?)```/.exec(guide)![1]!
    assert.match(code, /'SIGTERM'/)
    return code
  }

  function start(t: TestContext, code: string): Running {
    const file = join(folder, 'app.ts')
    writeFileSync(file, code + HANDLER)
    const env = { ...process.env, MQ_URL: stack.url, XDG_CACHE_HOME: join(stack.dir, 'of-the-app') }
    const child = spawn(process.execPath, ['--conditions=mq-source', file], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    t.after(() => void child.kill('SIGKILL'))
    const lines: string[] = []
    let rest = ''
    child.stdout.on('data', (part: Buffer) => {
      const all = (rest + part.toString()).split('\n')
      rest = all.pop()!
      lines.push(...all)
    })
    return { child, lines }
  }

  const members = async (): Promise<number> => (await new Admin(cluster).describeGroup(GROUP))?.members.length ?? 0

  it('finishes its handlers, leaves its group and ends with 0 when it handles SIGTERM as the guide shows', async (t) => {
    const mq = await stack.connect()
    await mq.send('orders.placed', { n: 1 }, { key: 'k' })
    const { child, lines } = start(t, program())
    await until('it handles a message', () => lines.includes('begun 1'), 60_000)
    child.kill('SIGTERM')
    const [code, signal] = await once(child, 'exit')
    assert.deepEqual([code, signal, lines], [0, null, ['begun 1', 'done 1']])
    assert.equal(await members(), 0, 'nobody waits for the end of its session')
    const seen: number[] = []
    await mq.send('orders.placed', { n: 2 }, { key: 'k' })
    await mq.consume<{ n: number }>('orders.placed', 'billing', ({ value }) => void seen.push(value.n))
    await until('the next one goes on behind it', () => seen.length > 0, 60_000)
    assert.deepEqual(seen, [2], 'nothing is handed out twice')
  })

  it('stays a member until its session ends when it handles no signal, as the guide says', async (t) => {
    const mq = await stack.connect()
    await mq.send('orders.placed', { n: 3 }, { key: 'k' })
    const withoutSignals = program().replace(/for \(const signal of[\s\S]*?\n}\n/, '')
    assert.doesNotMatch(withoutSignals, /SIGTERM/)
    const { child, lines } = start(t, withoutSignals)
    await until('it handles a message', () => lines.includes('done 3'), 60_000)
    child.kill('SIGTERM')
    const [code, signal] = await once(child, 'exit')
    assert.deepEqual([code, signal], [null, 'SIGTERM'])
    assert.equal(await members(), 1)
    await until('its session ends', async () => (await members()) === 0, 60_000)
  })
})
