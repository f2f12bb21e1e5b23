/**
 * `mq measure outages`: what applications notice when the control plane, or the source cluster, dies in the middle of a migration.
 *
 * OU1. Control plane: one migration is held in each state while applications send and read; then the control plane is killed for all of
 *      them at once, and started again after `--away-seconds`. A migration that is held does all the work of its state and never gets to
 *      write that it is over, which is the latest moment of that state in which a process can die.
 * OU2. Source: one migration after the other; in the moment in which it gets into the state every broker of the source is killed, and
 *      started again after `--source-away-seconds`. Sends that only the source can decide about wait for it, within their deadline.
 * OU3. Lost, duplicated and reordered come from the checker of the test kit over what the applications wrote down. After a broker was
 *      killed messages may be handed out again, which is at-least-once: these are counted, and no fault.
 * OU4. The exit code is 1 when a send failed within its deadline of 120 s, or the checker found anything else.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { KAFKA_VERSION } from '@mq/local'
import type { App } from '../packages/control-plane/test/faults/app.ts'
import type { History } from '../packages/control-plane/test/faults/history.ts'
import { Stage } from '../packages/control-plane/test/faults/stage.ts'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import { publish } from './publish.ts'
import { OutagesResult } from './results.ts'
import { stopOnce } from './stop-once.ts'
import { outagesTable } from './tables.ts'

type Outage = OutagesResult['controlPlane'][number]
type State = Outage['state']

const PLANE_STATES: readonly State[] = [
  ...(['planned', 'prepared', 'sealing', 'refusing', 'sealed', 'open', 'draining', 'undoing'] as const),
]
const SOURCE_STATES: readonly State[] = ['sealing', 'refusing', 'sealed', 'open', 'draining']
const USAGE = `mq measure outages [--away-seconds 600] [--states ${PLANE_STATES.join(',')}]
  [--source-away-seconds 30] [--source-states ${SOURCE_STATES.join(',')}] [--json] [--save] [--date YYYY-MM-DD]`
const flags = readFlags(
  USAGE,
  { 'away-seconds': 600, 'source-away-seconds': 30 },
  { states: PLANE_STATES.join(','), 'source-states': SOURCE_STATES.join(',') },
)
const GROUP = 'live'
const SEND_EVERY_MS = 50
const SETTLE_MS = 300_000
const ENDS: readonly State[] = ['draining', 'retired', 'cancelled', 'failed']

const say = (text: string): void => console.error(`  ${text}`)
const startedMs = performance.now()
// Brokers carry little here: the second compiler of the JVM would take more than they do.
process.env.MQ_KAFKA_JVM_FLAGS ??= '-XX:TieredStopAtLevel=1'

/** An mQ ID with its applications, on its way to the other cluster. */
interface Stream {
  readonly state: State
  readonly history: History
  readonly load: App
  readonly number: number
}

function asked(text: string, known: readonly State[]): State[] {
  const names = text.split(',')
  const wrong = names.find((name) => !known.some((state) => state === name))
  if (wrong !== undefined) {
    console.error(`there is no state '${wrong}' here; known are ${known.join(', ')}`)
    process.exit(2)
  }
  return known.filter((state) => names.includes(state))
}

/** @param wait what every handler waits for */
async function flowing(stage: Stage, id: string, wait?: () => Promise<void> | undefined) {
  const history = await stage.declare(id)
  await history.app({ name: 'reader', consume: { group: GROUP, ...(wait === undefined ? {} : { wait }) } })
  const load = await history.app({ name: 'sender', produce: { perTick: 1, everyMs: SEND_EVERY_MS } })
  await history.until('it flows', () => history.handledBy(GROUP) > 20)
  return { history, load }
}

async function planeAway(stage: Stage, states: readonly State[], awayMs: number): Promise<Outage[]> {
  const streams: Stream[] = []
  try {
    for (const state of states) {
      const id = `plane.${state}`
      const { history, load } = await flowing(stage, id)
      stage.holdIn(id, state)
      const number = await stage.begin(id, { to: 'b', partitions: 6 })
      if (state === 'undoing')
        stage.onState(number, 'prepared', () => void stage.plane.migrator.cancel(number).catch(() => undefined))
      streams.push({ state, history, load, number })
    }
    for (const { state, history, number } of streams) {
      await history.until(`it is held in ${state}`, () => stage.plane.migrations.current(number)?.state === state)
    }
    say(
      `${states.length} migrations are held in ${states.join(', ')}; the control plane is killed for ${awayMs / 1_000} s`,
    )
    const diedUs = now()
    await stage.die()
    await pause(awayMs)
    await stage.startAgain()
    const upUs = now()
    const found: Outage[] = []
    for (const { state, history, load, number } of streams) {
      const last = await stage.reach(number, ENDS, SETTLE_MS)
      if (last.state === 'draining' || last.state === 'retired') history.moved(last)
      await load.endSending()
      await history.settled([GROUP], SETTLE_MS)
      found.push(await judged(state, last.state, history, { fromUs: diedUs, toUs: upUs }))
    }
    return found
  } finally {
    for (const { history } of streams) await history.end()
  }
}

async function sourceAway(stage: Stage, state: State, awayMs: number): Promise<Outage> {
  const { brokers } = stage.clusters.a
  let behind: PromiseWithResolvers<void> | undefined
  const { history, load } = await flowing(stage, `source.${state}`, () => behind?.promise)
  try {
    // While it drains there is something to drain.
    if (state === 'draining') behind = Promise.withResolvers()
    const { promise: killed, resolve, reject } = Promise.withResolvers<number>()
    const number = await stage.begin(history.id, { to: 'b', partitions: 6 })
    stage.onState(number, state, () => {
      const atUs = now()
      Promise.all(brokers.map((broker) => broker.kill())).then(() => resolve(atUs), reject)
    })
    const fromUs = await killed
    say(`migration ${number} is ${state}: every broker of its source is killed for ${awayMs / 1_000} s`)
    await pause(awayMs)
    await Promise.all(brokers.map((broker) => broker.restart()))
    const toUs = now()
    behind?.resolve()
    behind = undefined
    const last = await stage.reach(number, ENDS, SETTLE_MS)
    if (last.state === 'draining' || last.state === 'retired') history.moved(last)
    await load.endSending()
    await history.settled([GROUP], SETTLE_MS)
    return await judged(state, last.state, history, { fromUs, toUs })
  } finally {
    behind?.resolve()
    await history.end()
  }
}

async function judged(
  state: State,
  ended: State,
  history: History,
  away: { readonly fromUs: number; readonly toUs: number },
): Promise<Outage> {
  const { counts } = await history.verdict([GROUP])
  const { lost, duplicated, reordered, ...others } = counts
  const sentUs = new Map(history.of('send').map(({ n, tUs }) => [n, tUs]))
  const waitsUs = history.of('ack').map(({ n, tUs }) => tUs - sentUs.get(n)!)
  const isMeanwhile = (tUs: number): boolean => tUs >= away.fromUs && tUs < away.toUs
  const one: Outage = {
    ...{ state, ended, awayMs: Math.round((away.toUs - away.fromUs) / 1_000), messages: history.sent },
    ...{ failedSends: history.failed, lost, duplicated, reordered },
    otherViolations: Object.values(others).reduce((sum, found) => sum + found, 0),
    slowestSendMs: Math.round(waitsUs.reduce((most, waitUs) => Math.max(most, waitUs), 0) / 1_000),
    acknowledgedMeanwhile: history.of('ack').filter(({ tUs }) => isMeanwhile(tUs)).length,
    newEpochMeanwhile: history.of('handle').filter(({ tUs, epoch }) => epoch === 2 && isMeanwhile(tUs)).length,
  }
  say(JSON.stringify(one))
  return one
}

const now = (): number => Number(process.hrtime.bigint() / 1_000n)

const states = asked(flags.states, PLANE_STATES)
const sourceStates = asked(flags['source-states'], SOURCE_STATES)
const stage = await Stage.start()
const stop = stopOnce(() => stage.stop())
try {
  const controlPlane = await planeAway(stage, states, flags['away-seconds'] * 1_000)
  const source: Outage[] = []
  for (const state of sourceStates) source.push(await sourceAway(stage, state, flags['source-away-seconds'] * 1_000))
  const all = [...controlPlane, ...source]
  const sum = (of: (one: Outage) => number, over: readonly Outage[] = all): number =>
    over.reduce((total, one) => total + of(one), 0)
  const result = OutagesResult.parse({
    measure: 'outages',
    machine: machineFacts(KAFKA_VERSION, flags.date),
    options: { awaySeconds: flags['away-seconds'], sourceAwaySeconds: flags['source-away-seconds'] },
    messages: sum(({ messages }) => messages),
    failedSends: sum(({ failedSends }) => failedSends),
    lost: sum(({ lost }) => lost),
    reordered: sum(({ reordered }) => reordered),
    ...{ controlPlane, source, seconds: Math.round((performance.now() - startedMs) / 1_000) },
  })
  publish(result, outagesTable(result), { ...flags, quiet: flags.json })
  const found = sum(
    ({ failedSends, lost, reordered, otherViolations }) => failedSends + lost + reordered + otherViolations,
  )
  if (found + sum(({ duplicated }) => duplicated, controlPlane) > 0) process.exitCode = 1
} finally {
  await stop()
}
