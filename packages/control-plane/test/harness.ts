/**
 * A control plane without sockets on a fake cluster, and the shapes its tests need.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { MqError, type Problem, type TelemetryReport } from '@mq/contract'
import { type Deps, systemDeps } from '@mq/kafka'
import { type Assembled, assemble } from '../src/control-plane.ts'
import type { ControlPlaneOptions } from '../src/control-plane-options.ts'
import { silentLogger } from '../src/logger.ts'
import { FakeKafka } from './fake-kafka.ts'

export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'mq-cp-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface Harness extends Assembled {
  readonly kafka: FakeKafka
  readonly dataDir: string
  /** Sends a request; returns status, headers and parsed body. */
  call(
    method: 'GET' | 'PUT' | 'POST' | 'DELETE',
    url: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer>
}

export interface Answer {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: a test reads any part of any answer
  readonly body: any
}

export const mainCluster = { name: 'main', bootstrap: ['127.0.0.1:9092'], securityProtocol: 'plaintext' as const }

/** Assembles a control plane that the test closes by itself when it ends. */
export async function startHarness(
  t: TestContext,
  options: Partial<ControlPlaneOptions> & { kafka?: FakeKafka } = {},
): Promise<Harness> {
  const { kafka = new FakeKafka(), ...rest } = options
  const dataDir = rest.dataDir ?? temporaryFolder(t)
  const parts = await assemble({
    port: 0,
    logger: silentLogger,
    clusters: [mainCluster],
    openAdmin: kafka.openAdmin,
    checkEveryMs: 3_600_000,
    newInstallationMode: 'auto',
    deleteGraceMs: 0,
    ...rest,
    dataDir,
  })
  t.after(() => parts.close())
  return { ...parts, kafka, dataDir, call: (...args) => call(parts, ...args) }
}

async function call(
  parts: Assembled,
  method: 'GET' | 'PUT' | 'POST' | 'DELETE',
  url: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await parts.app.inject({
    method,
    url,
    headers: {
      host: '127.0.0.1:7070',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  let parsed: unknown
  try {
    parsed = JSON.parse(answer.payload)
  } catch {
    parsed = undefined
  }
  return { status: answer.statusCode, headers: answer.headers, text: answer.payload, body: parsed }
}

/** Asserts that an answer is a problem of the contract with this code. */
export function assertProblem(answer: Answer, code: string): Problem {
  assert.equal(answer.body?.code, code, `answered ${answer.status} ${answer.text}`)
  assert.equal(typeof answer.body.message, 'string')
  assert.equal(typeof answer.body.action, 'string')
  assert.equal(typeof answer.body.retryable, 'boolean')
  return answer.body
}

/** Real timers and a wall clock that a test moves. */
export function movableClock(startMs = 1_800_000_000_000): Deps & { advance(ms: number): void } {
  let offset = startMs - systemDeps.clock.nowMs()
  return {
    ...systemDeps,
    clock: {
      nowMs: () => systemDeps.clock.nowMs() + offset,
      monotonicMs: () => systemDeps.clock.monotonicMs() + offset,
    },
    advance: (ms) => {
      offset += ms
    },
  }
}

export function telemetryReport(change: Partial<TelemetryReport> = {}): TelemetryReport {
  return {
    app: 'checkout',
    instance: 'checkout-1',
    version: '0.1.0',
    windowStartMs: 0,
    windowMs: 10_000,
    cpuUs: 1,
    rssBytes: 1,
    bindings: [],
    producers: [],
    consumers: [],
    ...change,
  }
}

/** From its `nth` write about decisions on, nothing reaches the store any more. */
export function dieAt({ store }: Pick<Harness, 'store'>, nth: number, when: 'before' | 'after'): { isDead(): boolean } {
  const write = store.write.bind(store)
  let [seen, dead] = [0, false]
  const gone = (): MqError => new MqError('MQ_STORE_FAILED', 'the process is gone')
  store.write = async (doing, work) => {
    if (dead) throw gone()
    if (!/decision|publishing/.test(doing) || ++seen !== nth) return write(doing, work)
    dead = true
    if (when === 'after') await write(doing, work)
    throw gone()
  }
  return { isDead: () => dead }
}
