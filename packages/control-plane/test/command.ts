/** The `mq` command against the control plane of a test, which has no socket of its own. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { runCli } from '@mq/cli'
import type { Harness } from './harness.ts'

/** `mq ARGV` against the control plane of the test. */
export async function mq(t: TestContext, plane: Harness, argv: readonly string[]): Promise<string> {
  const server = createServer((request, response) => {
    void plane.call((request.method ?? 'GET') as 'GET', request.url ?? '/').then((answer) => {
      response.writeHead(answer.status, { 'content-type': 'application/json' })
      response.end(answer.text)
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  t.after(() => server.close())
  let shown = ''
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      shown += chunk.toString('utf8')
      done()
    },
  })
  const out = Object.assign(sink, { isTTY: false, columns: 120 })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const code = await runCli([...argv, '--url', url], {
    stdin: Object.assign(Readable.from([]), { isTTY: false }),
    stdout: out,
    stderr: out,
    env: {},
    cwd: plane.dataDir,
    interrupt: t.signal,
  })
  assert.equal(code, 0, shown)
  return shown
}
