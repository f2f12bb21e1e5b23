/**
 * `mq measure propagation`: how long a changed binding takes to reach every connected client.
 *
 * P1. The clock runs from before the request that changes the intent to the arrival of the whole event at one client:
 *     the request, the commit to the store with its fsync, and the push are all inside.
 * P2. Control plane and clients are processes of their own on one machine; the clients share one, so the last of them
 *     also waits for the others to be read.
 * P3. A change follows when the one before has reached everybody; the first changes are warm-up and are not counted.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { systemDeps, within } from '@mq/contract/timing'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import { publish } from './publish.ts'
import { PropagationResult } from './results.ts'
import { percentile, round } from './statistics.ts'
import { propagationTable } from './tables.ts'

const USAGE = 'mq measure propagation [--json] [--save] [--clients 1000] [--changes 50] [--date YYYY-MM-DD]'
const flags = readFlags(USAGE, { clients: 1_000, changes: 50 })
const WARMUP_CHANGES = 5
const GIVE_UP_MS = 30_000
const MQ_ID = 'bench.propagation'

/** One push stream: counts whole events by the revision in their id. */
class Listener {
  readonly #socket: Socket
  #rest = ''

  constructor(url: URL, onEvent: (revision: number) => void, onError: (error: Error) => void) {
    this.#socket = connect(Number(url.port), url.hostname)
    this.#socket.setEncoding('latin1')
    this.#socket.write(`GET /v1/bindings?ids=${MQ_ID} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`)
    this.#socket.on('error', onError)
    this.#socket.on('data', (text: string) => {
      this.#rest += text
      for (;;) {
        const begin = this.#rest.indexOf('id: ')
        const end = begin < 0 ? -1 : this.#rest.indexOf('\n\n', begin)
        if (end < 0) return
        const id = this.#rest.slice(begin + 4, this.#rest.indexOf('\n', begin))
        this.#rest = this.#rest.slice(end + 2)
        onEvent(Number(id.split('.')[1]))
      }
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}

async function put(url: URL, latencyP99Ms: number): Promise<number> {
  const answer = await fetch(new URL(`/v1/ids/${MQ_ID}`, url), {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ intent: { latencyP99Ms } }),
  })
  if (!answer.ok) throw new Error(`the change was refused: ${await answer.text()}`)
  return ((await answer.json()) as { revision: number }).revision
}

/** Fails instead of waiting for ever. */
const inTime = <T>(what: string, work: Promise<T>): Promise<T> =>
  within(systemDeps, GIVE_UP_MS, () => new Error(`${what} took longer than ${GIVE_UP_MS} ms`), work)

const server = spawn(
  process.execPath,
  ['--conditions=mq-source', fileURLToPath(new URL('propagation-server.ts', import.meta.url))],
  { stdio: ['pipe', 'pipe', 'inherit'] },
)
try {
  const [line] = (await inTime('the start', once(createInterface(server.stdout), 'line'))) as [string]
  const url = new URL(line)
  let revision = await put(url, 250)

  let arrived: (revision: number) => void = () => {}
  const failed = Promise.withResolvers<never>()
  const connectAll = async (): Promise<Listener[]> => {
    let waiting = flags.clients
    const all = Promise.withResolvers<void>()
    arrived = () => {
      if (--waiting === 0) all.resolve()
    }
    const listeners = Array.from(
      { length: flags.clients },
      () => new Listener(url, (seen) => arrived(seen), failed.reject),
    )
    await inTime('connecting', Promise.race([all.promise, failed.promise]))
    return listeners
  }

  let listeners = await connectAll()
  const delays: number[] = []
  for (let change = -WARMUP_CHANGES; change < flags.changes; change++) {
    const times: { revision: number; atMs: number }[] = []
    const all = Promise.withResolvers<void>()
    arrived = (seen) => {
      times.push({ revision: seen, atMs: performance.now() })
      if (times.length === flags.clients) all.resolve()
    }
    const startedMs = performance.now()
    const changed = await put(url, 1_000 + change)
    if (changed <= revision) throw new Error(`revision ${changed} after ${revision}: nothing changed`)
    revision = changed
    await inTime('a change', Promise.race([all.promise, failed.promise]))
    if (times.some((one) => one.revision !== changed)) throw new Error(`a client saw another revision than ${changed}`)
    if (change >= 0) delays.push(...times.map(({ atMs }) => atMs - startedMs))
  }

  for (const listener of listeners) listener.close()
  const reconnectMs = performance.now()
  listeners = await connectAll()
  const reconnectAllMs = performance.now() - reconnectMs
  for (const listener of listeners) listener.close()

  const sorted = Float64Array.from(delays).sort()
  const result = PropagationResult.parse({
    measure: 'propagation',
    machine: machineFacts('none', flags.date),
    clients: flags.clients,
    changes: flags.changes,
    p50Ms: round(percentile(sorted, 50), 2),
    p99Ms: round(percentile(sorted, 99), 2),
    maxMs: round(sorted.at(-1)!, 2),
    reconnectAllMs: round(reconnectAllMs, 1),
  })
  publish(result, propagationTable(result), flags)
} finally {
  server.stdin.end()
  if (server.exitCode === null) await once(server, 'exit')
}
