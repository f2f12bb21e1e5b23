/** `mq serve` stopped and started again under an application that sends and reads: the application does not notice (stopping G1, run V3). */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from '@mq/client'
import { startCluster } from '@mq/local'
import { freshFolder } from './harness.ts'
import { MqProcess } from './process.ts'

const LIMIT = { timeout: 600_000 }
const TOKEN = 'token-of-the-api-0123456789'
const ID = 'orders.placed'
const auth = { authorization: `Bearer ${TOKEN}` }

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 240_000
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`it never came to this: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function serve(cwd: string, listen: string, bootstrap: string): Promise<{ process: MqProcess; url: string }> {
  const env = { MQ_CLUSTERS: `main=${bootstrap}`, MQ_TOKEN: TOKEN, MQ_DATA_DIR: 'data', MQ_LISTEN: listen }
  const process = new MqProcess(['serve'], { cwd, env })
  await until('it is up', () => {
    if (process.child.exitCode !== null) throw new Error(process.stderr)
    return process.stderr.includes('mQ control plane is up')
  })
  const line = process.stderr.split('\n').find((one) => one.includes('mQ control plane is up')) ?? ''
  return { process, url: (JSON.parse(line) as { url: string }).url }
}

test(
  'SIGTERM in mid-stream: exit 0, no send fails, no record is lost or read twice, and the client comes back',
  LIMIT,
  async (t) => {
    const cwd = freshFolder()
    const cluster = await startCluster({ name: 'main' })
    t.after(async () => {
      await cluster.stop()
      rmSync(cwd, { recursive: true, force: true })
    })
    const bootstrap = cluster.bootstrap.join(',')
    const first = await serve(cwd, '127.0.0.1:0', bootstrap)
    t.after(() => void first.process.child.kill('SIGKILL'))
    const { url } = first
    await until('Kafka answers the control plane', async () => (await fetch(`${url}/v1/ready`, { headers: auth })).ok)
    const unknown = await fetch(`${url}/v1/bindings/${ID}`, { headers: auth })
    assert.equal(unknown.status, 404, 'no mQ ID is made by its first use')
    const declared = await fetch(`${url}/v1/ids/${ID}`, {
      method: 'PUT',
      headers: { ...auth, 'content-type': 'application/json' },
      body: '{"intent":{}}',
    })
    assert.equal(declared.status, 200, await declared.text())

    const mq = await connect({ url, token: TOKEN, app: 'shop', cacheDir: join(cwd, 'cache') })
    t.after(() => mq.close())
    const seen = new Map<number, number>()
    await mq.consume(ID, 'billing', (message) => {
      const { n } = message.value as { n: number }
      seen.set(n, (seen.get(n) ?? 0) + 1)
    })
    const failures: unknown[] = []
    let [sent, isOver] = [0, false]
    const sending = (async () => {
      while (!isOver) {
        try {
          await mq.send(ID, { n: sent }, { key: `k${sent % 7}` })
          sent++
        } catch (error) {
          failures.push(error)
        }
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })()
    await until('it sends', () => sent > 20)
    first.process.child.kill('SIGTERM')
    const { code, stderr } = await first.process.ended
    assert.equal(code, 0, stderr)
    assert.match(stderr, /"msg":"stopped"/)
    const atStop = sent
    await until('it goes on without a control plane', () => sent > atStop + 50)

    const second = await serve(cwd, new URL(url).host, bootstrap)
    t.after(() => void second.process.child.kill('SIGKILL'))
    await until('the client listens again', async () => {
      const text = await (await fetch(`${url}/metrics`, { headers: auth })).text()
      return /^mq_push_clients [1-9]/m.test(text)
    })
    const afterStart = sent
    await until('it still sends', () => sent > afterStart + 20)
    isOver = true
    await sending
    await until('everything was read', () => seen.size >= sent)
    assert.deepEqual(failures, [])
    assert.equal(seen.size, sent)
    assert.deepEqual(
      [...seen].filter(([, times]) => times !== 1),
      [],
    )
    second.process.child.kill('SIGTERM')
    assert.equal((await second.process.ended).code, 0)
  },
)
