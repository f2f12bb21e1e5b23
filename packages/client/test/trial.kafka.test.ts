/** A trial in a running client (epoch-writer W3, producer-meter T3, subscription U6), on real Kafka with a control plane of the test's own. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type Binding, TelemetryReport } from '@mq/contract'
import { Admin, Cluster } from '@mq/kafka'
import { type LocalCluster, startCluster } from '@mq/local'
import { connect, type Mq } from '../src/index.ts'
import { bindingOf } from './support/bindings.ts'
import { sendJson, TestControlPlane } from './support/control-plane.ts'
import { RecordingLogger } from './support/logs.ts'
import { until } from './support/time.ts'

const ID = 'orders.placed'
const REPORT_MS = 200

describe('a trial on real Kafka', { timeout: 300_000 }, () => {
  let kafka: LocalCluster
  let plane: TestControlPlane
  const open: Mq[] = []
  const reports: TelemetryReport[] = []

  before(
    async () => {
      kafka = await startCluster({ name: 'main' })
      plane = await TestControlPlane.start()
      plane.intercept = (request, response) => {
        if (request.path !== '/v1/telemetry') return false
        reports.push(TelemetryReport.parse(JSON.parse(request.body)))
        sendJson(response, 200, { accepted: true, telemetryMs: REPORT_MS })
        return true
      }
      const cluster = new Cluster({ name: 'main', clientId: 'test', bootstrap: kafka.bootstrap })
      await new Admin(cluster).createTopic({ name: 'orders.placed.e1', partitions: 3, replication: 1, configs: {} })
      await cluster.close()
    },
    { timeout: 300_000 },
  )
  after(
    async () => {
      for (const mq of open) await mq.close()
      await plane?.stop()
      await kafka?.stop()
    },
    { timeout: 300_000 },
  )

  it('is taken up and given back between batches, by the named instances only, in order and without reconnecting', async (t) => {
    const base = bindingOf({
      epochs: [
        { epoch: 1, state: 'open', cluster: 'main', topic: 'orders.placed.e1', partitions: 3, endOffsets: null },
      ],
      clusters: [{ name: 'main', bootstrap: kafka.bootstrap, securityProtocol: 'plaintext' }],
    })
    plane.publish(base)
    const logger = new RecordingLogger()
    const join = async (app: string): Promise<Mq> => {
      const mq = await connect({ url: plane.url, app, cacheDir: null, logger, zone: `zone-of-${app}` })
      open.push(mq)
      return mq
    }
    const [canary, control] = [await join('canary'), await join('control')]
    const handled = new Map<string, number[]>()
    await canary.consume(ID, 'checker', (message) => {
      const key = String(message.key)
      handled.set(key, [...(handled.get(key) ?? []), (message.value as { n: number }).n])
    })
    await control.consume(ID, 'other', () => {})
    let sent = 0
    let failed = 0
    let running = true
    const pump = async (mq: Mq, who: string): Promise<void> => {
      for (let n = 0; running; n++) {
        for (const key of ['a', 'b', 'c']) {
          sent++
          mq.send(ID, { n, filler: 'tea and a cup '.repeat(8) }, { key: `${who}-${key}` }).catch(() => failed++)
        }
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
    }
    const pumps = [pump(canary, 'canary'), pump(control, 'control')]
    const of = (app: string) => reports.filter((report) => report.app === app).flatMap(({ producers }) => producers)
    await until('both report', () => of('canary').length > 0 && of('control').length > 0, 25_000)
    const instance = reports.find(({ app }) => app === 'canary')!.instance
    const trial: NonNullable<Binding['trial']> = {
      decision: 41,
      instances: [instance],
      producer: { ...base.producer, codec: 'zstd', codecLevel: 1, lingerMs: 200 },
      consumer: { ...base.consumer, fetchMinBytes: 1_048_576, fetchMaxWaitMs: 150 },
    }
    plane.publish({ ...base, revision: 2, trial })
    const readingOf = (app: string) => reports.filter((one) => one.app === app).flatMap(({ consumers }) => consumers)
    await until('the canary tries', () => of('canary').filter((one) => one.trial === 41).length >= 3, 15_000)
    await until('its reader does', () => readingOf('canary').filter((one) => one.trial === 41).length >= 6, 15_000)
    plane.publish({ ...base, revision: 3, trial: { decision: 'of a later version' } as unknown as Binding['trial'] })
    const back = of('canary').length
    await until(
      'the canary is back',
      () =>
        of('canary')
          .slice(back)
          .filter((one) => one.trial === null).length >= 3,
      15_000,
    )
    running = false
    await Promise.all(pumps)
    await Promise.all(open.map((mq) => mq.flush()))
    await until('all is handled', () => [...handled.values()].flat().length >= sent, 20_000)

    assert.equal(failed, 0)
    for (const [key, numbers] of handled) {
      assert.deepEqual(
        numbers,
        numbers.map((_, index) => index),
        `the order of ${key}`,
      )
    }
    assert.ok(of('control').every((one) => one.trial === null && one.codec === 'none'))
    const tried = of('canary').filter((one) => one.trial === 41)
    assert.ok(
      tried.every(({ codec, codecLevel, lingerMs }) => codec === 'zstd' && codecLevel === 1 && lingerMs === 200),
    )
    const depth = (list: typeof tried): number =>
      list.reduce((sum, { records }) => sum + records, 0) / list.reduce((sum, { batches }) => sum + batches, 0)
    const usual = of('canary').filter((one) => one.trial === null)
    assert.ok(depth(tried) > depth(usual), `${depth(tried)} and ${depth(usual)} records in a batch`)
    assert.ok(
      tried.every((one) => one.batchBytesWire < one.batchBytesUncompressed),
      'what was tried is compressed',
    )
    assert.equal(
      new Set(of('canary').flatMap(({ producerIds }) => producerIds ?? [])).size,
      1,
      'one producer id all along',
    )
    assert.deepEqual(logger.lines.filter(({ level }) => level === 'error').length, 0, JSON.stringify(logger.lines))
    const reading = reports.flatMap(({ consumers }) => consumers)
    assert.ok(reading.some((one) => (one.fetchRequests ?? 0) > 0 && (one.batches ?? 0) > 0))
    const settingsOf = (list: typeof reading): string[] => [
      ...new Set(list.map((one) => `${one.trial} ${one.fetchMinBytes} ${one.fetchMaxWaitMs}`)),
    ]
    assert.deepEqual(settingsOf(readingOf('canary')), ['null 1 100', '41 1048576 150'])
    assert.deepEqual(settingsOf(readingOf('control')), ['null 1 100'], 'nobody else takes it up')
    const fetches = (trial: number | null): number => {
      const list = readingOf('canary').filter((one) => one.trial === trial && one.records > 0)
      const sum = (of: (one: (typeof list)[number]) => number | undefined): number =>
        list.reduce((total, one) => total + (of(one) ?? 0), 0)
      return sum((one) => one.fetchRequests) / sum((one) => one.activeMs)
    }
    assert.ok(
      fetches(41) < fetches(null) / 2,
      `${fetches(41)} fetches a ms on trial, ${fetches(null)} before and after`,
    )
    const joined = readingOf('canary').reduce((sum, one) => sum + one.rebalances, 0)
    assert.ok(joined <= 2, `${joined} assignments: a trial makes nobody join again`)
    assert.ok(reports.every(({ app, zone }) => zone === `zone-of-${app}`))
    t.diagnostic(`${sent} messages, ${depth(usual).toFixed(2)} and ${depth(tried).toFixed(2)} records in a batch`)
  })
})
