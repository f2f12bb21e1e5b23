/** The faults of one cluster of three brokers that `mq measure faults` plays, by number. */
import type { LocalBroker } from '@mq/local'
import type { Play, Scenario } from './scenario.ts'

const FROZEN_MS = 20_000
const DARK_MS = 10_000
const AWAY_MS = 15_000
const SLOW_MS = 200
const SLOW_FOR_MS = 10_000
const CUTS = 10
/** Within an answer to a produce request of some partitions. */
const CUT_BYTES = 20
/** A client tells a silent broker from a slow one within this time, asks once more, and connects anew. */
const SILENCE_MARGIN_MS = 8_000

const since = (startedMs: number): number => performance.now() - startedMs

/** @returns ms from the fault until other brokers lead */
async function electionAfter(play: Play, target: LocalBroker, fault: () => Promise<void> | void): Promise<number> {
  const watch = await play.observer(target)
  try {
    const startedMs = performance.now()
    await fault()
    await watch.elected(target)
    return since(startedMs)
  } finally {
    await watch.close()
  }
}

const scenarios: readonly Scenario[] = [
  {
    number: 1,
    name: 'the leader of a partition is killed',
    marginMs: 1_000,
    async act(play) {
      const leader = await play.leader()
      const electionMs = await electionAfter(play, leader, () => leader.kill())
      await play.flowing()
      await leader.restart()
      return electionMs
    },
  },
  {
    number: 2,
    name: 'the leader is stopped in order and started again',
    marginMs: 5_000,
    async act(play) {
      const leader = await play.leader()
      await leader.restart()
      return 0
    },
  },
  {
    number: 3,
    name: 'the leader is frozen for 20 s and wakes',
    marginMs: 3_000,
    async act(play) {
      const leader = await play.leader()
      const startedMs = performance.now()
      try {
        const electionMs = await electionAfter(play, leader, () => leader.pause())
        await play.flowing()
        await play.pause(FROZEN_MS - since(startedMs))
        return electionMs
      } finally {
        leader.resume()
      }
    },
  },
  {
    number: 4,
    name: 'all brokers are killed and come back after 15 s',
    marginMs: 15_000,
    async act(play) {
      const { brokers } = play.kafka
      const startedMs = performance.now()
      await Promise.all(brokers.map((broker) => broker.kill()))
      await play.pause(AWAY_MS)
      await Promise.all(brokers.map((broker) => broker.restart()))
      return since(startedMs)
    },
  },
  {
    number: 5,
    name: 'brokers are restarted one after the other',
    marginMs: 5_000,
    async act(play) {
      for (const broker of play.kafka.brokers) {
        await broker.restart()
        await play.inSync()
      }
      return 0
    },
  },
  {
    number: 6,
    name: 'two of three brokers are killed, fewer than records need, and come back after 15 s',
    marginMs: 15_000,
    async act(play) {
      const dying = play.kafka.brokers.slice(1)
      const startedMs = performance.now()
      await Promise.all(dying.map((broker) => broker.kill()))
      await play.pause(AWAY_MS)
      await Promise.all(dying.map((broker) => broker.restart()))
      return since(startedMs)
    },
  },
  {
    number: 9,
    name: 'nothing comes back from the leader for 10 s',
    marginMs: SILENCE_MARGIN_MS,
    act: (play) => dark(play, 'to-client'),
  },
  {
    number: 10,
    name: 'every way to a broker takes 200 ms longer, for 10 s',
    marginMs: 3_000,
    async act(play) {
      for (const { proxy } of play.kafka.brokers) proxy!.latency(SLOW_MS)
      await play.pause(SLOW_FOR_MS)
      for (const { proxy } of play.kafka.brokers) proxy!.heal()
      return 2 * SLOW_MS
    },
  },
  {
    number: 11,
    name: 'connections are reset ten times between a request and its answer',
    marginMs: 3_000,
    async act(play) {
      const leader = await play.leader()
      for (let cut = 0; cut < CUTS; cut++) {
        leader.proxy!.cutAfter(CUT_BYTES, 'to-client')
        await play.flowing()
      }
      return 0
    },
  },
  {
    number: 12,
    name: 'the way to the leader swallows everything for 10 s',
    marginMs: SILENCE_MARGIN_MS,
    act: (play) => dark(play),
  },
  {
    number: 50,
    name: 'the control plane is killed and comes back after 15 s',
    marginMs: 1_000,
    async act(play) {
      play.killPlane()
      await play.pause(AWAY_MS)
      await play.startPlane()
      return 0
    },
  },
]

/** Brokers see nothing of it, so none is elected: clients wait for the way. */
async function dark(play: Play, direction?: 'to-client'): Promise<number> {
  const { proxy } = await play.leader()
  const startedMs = performance.now()
  proxy!.blackhole(direction)
  await play.pause(DARK_MS)
  proxy!.heal()
  return since(startedMs)
}

/** @throws Error for a number that is none */
export function scenariosOf(numbers: string): readonly Scenario[] {
  if (numbers === 'all') return scenarios
  return numbers.split(',').map((text) => {
    const found = scenarios.find(({ number }) => String(number) === text.trim())
    if (found !== undefined) return found
    throw new Error(`--scenario ${text.trim()}: there are ${scenarios.map(({ number }) => number).join(', ')}, and all`)
  })
}
