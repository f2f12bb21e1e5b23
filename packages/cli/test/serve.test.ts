/** `mq serve` as a process of its own: probes, tokens, certificates and signals (run V2, V3, main E1). */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { freshFolder } from './harness.ts'
import { MqProcess } from './process.ts'
import { type Pair, selfSigned } from './self-signed.ts'

const TIMEOUT = { timeout: 300_000 }
const TOKEN = 'token-of-the-api-0123456789'
const MONITORING = 'token-of-monitoring-0123456789'

interface Served {
  readonly process: MqProcess
  readonly url: string
  readonly monitoringUrl: string | undefined
}

async function serve(
  t: TestContext,
  argv: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
  uid?: number,
): Promise<Served> {
  const process = new MqProcess(['serve', '--listen', '127.0.0.1:0', '--data', 'data', ...argv], {
    cwd,
    env,
    ...(uid === undefined ? {} : { uid }),
  })
  t.after(async () => {
    process.child.kill('SIGKILL')
    await process.ended
    rmSync(cwd, { recursive: true, force: true })
  })
  const facts = await logged(process, 'mQ control plane is up')
  return { process, url: String(facts.url), monitoringUrl: facts.monitoringUrl as string | undefined }
}

/** Waits until a record with this message was logged. */
async function logged(process: MqProcess, message: string): Promise<Record<string, unknown>> {
  for (;;) {
    const found = records(process).find(({ msg }) => msg === message)
    if (found !== undefined) return found
    const ended = await Promise.race([
      process.ended,
      new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 20)),
    ])
    if (ended !== undefined && !process.stderr.includes(message))
      throw new Error(`ended without '${message}': ${ended.stderr}`)
  }
}

function records(process: MqProcess): Record<string, unknown>[] {
  return process.stderr
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

/** One request on a connection of its own, or on `agent`'s. */
function ask(url: string, ca: string, token?: string): Promise<{ status: number; text: string; cert: string }> {
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const asked = request(url, { ca, headers, agent: false }, (response) => {
      const cert = (response.socket as TLSSocket).getPeerCertificate().subject.CN
      let text = ''
      response.setEncoding('utf8').on('data', (part: string) => (text += part))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, cert: String(cert) }))
    })
    asked.on('error', reject)
    asked.end()
  })
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 60_000
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`it never came to this: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function writePair(folder: string, pair: Pair): void {
  for (const [name, text] of [
    ['cert.pem', pair.cert],
    ['key.pem', pair.key],
  ] as const) {
    writeFileSync(join(folder, `new-${name}`), text, { mode: 0o600 })
    renameSync(join(folder, `new-${name}`), join(folder, name))
  }
}

/** An open stream of bindings on a raw TLS connection. */
async function openStream(url: string, ca: string): Promise<{ text: () => string; ended: Promise<void> }> {
  const { hostname, port } = new URL(url)
  const socket = connectTls({ host: hostname, port: Number(port), ca })
  let text = ''
  socket.setEncoding('utf8').on('data', (part: string) => (text += part))
  const ended = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => {})
  socket.write(
    `GET /v1/bindings?ids=orders.placed HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${TOKEN}\r\n\r\n`,
  )
  await until('the stream stands', async () => text.includes(':\n\n'))
  return { text: () => text, ended }
}

test(
  'probes, tokens, a new certificate and a stop, with a stream that stays open all along (V2, V3)',
  TIMEOUT,
  async (t) => {
    const cwd = freshFolder()
    const [first, second] = [selfSigned('first'), selfSigned('second')]
    writePair(cwd, first)
    writeFileSync(join(cwd, 'token'), `${TOKEN}\n`, { mode: 0o600 })
    writeFileSync(join(cwd, 'monitoring'), MONITORING, { mode: 0o644 })
    writeFileSync(
      join(cwd, 'mq.yaml'),
      'token: file:token\ntls: { cert: cert.pem, key: key.pem }\nmonitoring: { listen: 127.0.0.1:0, token: file:monitoring }\nclusters: [{ name: main, bootstrap: ["127.0.0.1:1"] }]\n',
    )
    const { process, url, monitoringUrl } = await serve(t, ['--config', 'mq.yaml'], cwd)
    assert.match(url, /^https:\/\/127\.0\.0\.1:\d+$/)
    const both = first.cert + second.cert
    // Probes: for anybody, with reasons for those who hold a token; Kafka is away, which is no reason to take it out of service.
    assert.deepEqual(await ask(`${url}/healthz`, both), { status: 200, text: 'ok\n', cert: 'first' })
    assert.deepEqual(await ask(`${url}/readyz`, both), { status: 200, text: 'ready\n', cert: 'first' })
    assert.match((await ask(`${url}/readyz`, both, MONITORING)).text, /^ready\nstore: ok\ncluster main: /)
    assert.equal((await ask(`${url}/metrics`, both)).status, 401)
    assert.match((await ask(`${url}/metrics`, both, MONITORING)).text, /^mq_store_failing 0$/m)
    assert.equal((await ask(`${url}/metrics`, both, TOKEN)).status, 200)
    assert.equal(
      (await ask(`${url}/v1/ids`, both, MONITORING)).status,
      403,
      'the token of monitoring opens nothing else',
    )
    assert.equal((await fetch(`${monitoringUrl}/readyz`)).status, 200)
    assert.equal((await fetch(`${monitoringUrl}/metrics`)).status, 401)
    assert.equal(
      (await fetch(`${monitoringUrl}/v1/ids`, { headers: { authorization: `Bearer ${TOKEN}` } })).status,
      404,
    )
    const warned = records(process).filter(({ level }) => level === 40)
    assert.ok(
      warned.some(({ file, msg }) => String(file).endsWith('/monitoring') && String(msg).includes('read by everybody')),
    )
    assert.ok(!warned.some(({ file }) => String(file).endsWith('/token')))
    assert.doesNotMatch(process.stderr, new RegExp(`${TOKEN}|${MONITORING}`))

    const stream = await openStream(url, both)
    // A pair that does not fit is not taken over, and what follows is.
    writeFileSync(join(cwd, 'cert.pem'), second.cert, { mode: 0o600 })
    await logged(process, 'the certificate of the API cannot be used; the one before stays in force')
    assert.equal((await ask(`${url}/healthz`, both)).cert, 'first')
    writePair(cwd, second)
    await until('the new certificate is shown', async () => (await ask(`${url}/healthz`, both)).cert === 'second')
    // The old token and the new one count together, then the new one alone; SIGHUP reads at once.
    writeFileSync(join(cwd, 'token'), `${TOKEN}\nnext-token-of-the-api-0123\n`, { mode: 0o600 })
    process.child.kill('SIGHUP')
    await until(
      'the next token counts',
      async () => (await ask(`${url}/v1/ids`, both, 'next-token-of-the-api-0123')).status === 200,
    )
    assert.equal((await ask(`${url}/v1/ids`, both, TOKEN)).status, 200)
    writeFileSync(join(cwd, 'token'), 'next-token-of-the-api-0123\n', { mode: 0o600 })
    await until('the old token counts no more', async () => (await ask(`${url}/v1/ids`, both, TOKEN)).status === 401)

    assert.doesNotMatch(stream.text(), /\r\n0\r\n\r\n$/, 'the stream stands over all of it')
    process.child.kill('SIGTERM')
    await stream.ended
    assert.match(stream.text(), /0\r\n\r\n$/, 'it was ended, not cut')
    const { code, stdout } = await process.ended
    assert.equal(code, 0, process.stderr)
    assert.equal(stdout, '')
    assert.equal(records(process).at(-1)?.msg, 'stopped')
  },
)

test('a second control plane on the same folder is refused by name, and the first goes on', TIMEOUT, async (t) => {
  const cwd = freshFolder()
  const { process, url } = await serve(t, [], cwd)
  const other = new MqProcess(['serve', '--listen', '127.0.0.1:0', '--data', 'data'], { cwd })
  const { code, stderr } = await other.ended
  assert.equal(code, 5)
  assert.match(stderr, new RegExp(`MQ_STORE_LOCKED: .* in use by process ${process.child.pid}`))
  assert.equal((await fetch(`${url}/healthz`)).status, 200)
  process.child.kill('SIGINT')
  assert.equal((await process.ended).code, 0)
})

test('a second signal ends it at once, whatever is under way (main E1)', TIMEOUT, async (t) => {
  const cwd = freshFolder()
  const { process, url } = await serve(t, [], cwd, { MQ_STOP_GRACE: '10m' })
  // A request whose body never comes keeps the stop waiting.
  const { hostname, port } = new URL(url)
  const { connect } = await import('node:net')
  const socket = connect({ host: hostname, port: Number(port) })
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  let said = ''
  socket.setEncoding('utf8').on('data', (part: string) => (said += part))
  socket.write(
    `POST /v1/telemetry HTTP/1.1\r\nhost: ${hostname}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 10\r\n\r\n`,
  )
  await until('the request arrived', async () => said.includes('100 Continue'))
  process.child.kill('SIGTERM')
  await logged(process, 'stopping')
  await until('nobody listens', async () =>
    fetch(`${url}/healthz`).then(
      () => false,
      () => true,
    ),
  )
  assert.equal(process.child.exitCode, null, 'it waits for the request')
  process.child.kill('SIGTERM')
  assert.equal((await process.ended).code, 143)
})

/** For root every folder can be written to: then it runs as somebody else, to whom nothing belongs but the data folder. */
const NOBODY = 65_534
const isRoot = process.getuid?.() === 0

test('it writes to its data folder and nowhere else, as a user who may not', TIMEOUT, async (t) => {
  const cwd = freshFolder()
  mkdirSync(join(cwd, 'data'))
  mkdirSync(join(cwd, 'home'))
  if (isRoot) chownSync(join(cwd, 'data'), NOBODY, NOBODY)
  for (const folder of ['home', '.']) chmodSync(join(cwd, folder), 0o555)
  t.after(() => chmodSync(cwd, 0o755))
  const env = { HOME: join(cwd, 'home'), XDG_CONFIG_HOME: join(cwd, 'home'), TMPDIR: join(cwd, 'home') }
  const { process: served, url } = await serve(t, [], cwd, env, isRoot ? NOBODY : undefined)
  assert.equal((await fetch(`${url}/readyz`)).status, 200)
  served.child.kill('SIGTERM')
  assert.equal((await served.ended).code, 0)
  assert.deepEqual(readdirSync(join(cwd, 'home')), [])
  assert.deepEqual(readdirSync(cwd).toSorted(), ['data', 'home'])
  assert.ok(readdirSync(join(cwd, 'data')).includes('control-plane.sqlite'))
})

test('a data folder of somebody else is refused in words', TIMEOUT, async (t) => {
  const cwd = freshFolder()
  mkdirSync(join(cwd, 'data'))
  chmodSync(cwd, 0o755)
  chmodSync(join(cwd, 'data'), 0o555)
  t.after(() => rmSync(cwd, { recursive: true, force: true }))
  const { code, stderr } = await new MqProcess(['serve', '--listen', '127.0.0.1:0', '--data', 'data'], {
    cwd,
    ...(isRoot ? { uid: NOBODY } : {}),
  }).ended
  assert.match(
    stderr,
    /MQ_STORE_FAILED: the data folder .*\/data cannot be used: this user \(uid \d+\) may not write to it/,
  )
  assert.equal(code, 4)
})
