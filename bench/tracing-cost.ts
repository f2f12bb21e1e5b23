/**
 * What tracing costs a send: without it, with the API and no SDK, and with an SDK that records. Run it by `./mq run bench/tracing-cost.ts`.
 *
 * C1. Behind it is a connection that does nothing, so that the difference is the tracing and nothing else.
 * C2. CPU of this process, the best of several rounds that take turns. "Absent" is what `connect` gives without OpenTelemetry: the connection itself.
 */
import { TestMq } from '@mq/testing'
import * as api from '@opentelemetry/api'
import { SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import type { MqConnection } from '../packages/client/src/api/types.ts'
import { chosenOpenTelemetry } from '../packages/client/src/tracing/open-telemetry.ts'
import { TracedMq } from '../packages/client/src/tracing/traced-mq.ts'

const SENDS = 50_000
const ROUNDS = 7

const receipt = Promise.resolve({ topic: 't', partition: 0, baseOffset: 0n })
const nothing = Object.assign(new TestMq(), { send: () => receipt }) as unknown as MqConnection

async function cpuNsPerSend(mq: MqConnection): Promise<number> {
  const before = process.cpuUsage()
  for (let n = 0; n < SENDS; n++) {
    const sent = mq.send('orders.placed', n, { key: 'k' })
    if (n % 1_000 === 0) await sent
  }
  await new Promise((resolve) => setImmediate(resolve))
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1_000) / SENDS
}

async function best(name: string, make: () => MqConnection): Promise<void> {
  const mq = make()
  await cpuNsPerSend(mq)
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) rounds.push(await cpuNsPerSend(mq))
  console.log(
    `${name.padEnd(38)} ${Math.round(Math.min(...rounds))
      .toString()
      .padStart(6)} ns a send`,
  )
}

const traced = (): MqConnection => new TracedMq(nothing, api, 'bench', () => performance.now())
const chosen = await chosenOpenTelemetry(undefined)
if (chosen !== undefined) throw new Error('an SDK is registered before the measurement begins')
await best('absent, or no SDK: the connection itself', () => nothing)
await best('openTelemetry: true, no SDK', traced)
const dropped = {
  export: (_: unknown, done: (result: { code: number }) => void) => done({ code: 0 }),
  shutdown: async () => {},
}
api.trace.setGlobalTracerProvider(
  new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: dropped })] }),
)
await best('an SDK that records every span', traced)
