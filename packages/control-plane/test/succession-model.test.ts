/**
 * Every history of one migration in which the control plane dies, cancels or loses answers, and clients hear of it or not: the rule by
 * which clients open the next epoch (contract: proven-seal.ts) against the rule by which the control plane takes it back (withdraw.ts).
 *
 * Nobody else but a person's word (undo.ts, U4) takes an epoch back without closing it; what that risks is among the broken rules. Somebody may seal
 * or delete the old topic by hand at any time, and requests take effect late or never.
 *
 * The world is small: the old topic has two partitions, the new one has one, two clients may prove, and somebody who hears of nothing
 * writes to the old topic whenever it lets him. Every order of steps is tried. The decisions are those of the real code.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Binding, type MigrationState, successionOf, withProvenSeal } from '@mq/contract'
import { epochStates, transition } from '../src/migration/machine.ts'
import { type OldLeaders, type WithdrawalFacts, withdrawalStep } from '../src/migration/withdraw.ts'

/** What is broken on purpose. */
interface Rules {
  /** The new epoch is taken back without closing its topic. */
  readonly withoutClosing?: boolean
  /** The new epoch is taken back while its cluster is away (a person may say so: U4). */
  readonly givesUp?: boolean
  /** The old leaders are not asked after the closing. */
  readonly withoutLookAfter?: boolean
  /** What was closed counts as empty. */
  readonly closedCountsAsEmpty?: boolean
  /** A client asks the new topic before it has proven the old one. */
  readonly looksTooEarly?: boolean
  /** A client opens with the proof of one partition. */
  readonly onePartition?: boolean
  /** The next migration seals the old topic while a successor that was given up is not closed (N6). */
  readonly sealsAnew?: boolean
  /** Nobody but mQ touches the old topic. */
  readonly noHands?: boolean
}

type Client = {
  /** Which binding it holds: an index into what was published. */
  holds: number
  /** End of each old partition as of its probe, -1 while it is not proven. */
  proofs: [number, number]
  /** It has seen the new topic take records. */
  sawOpen: boolean
  /** It uses the new epoch. */
  opened: boolean
}

interface World {
  // The old topic.
  limit: boolean
  sealed: [boolean, boolean]
  ends: [number, number]
  /** A request for the seal that may still take effect, or be lost. */
  pending: boolean
  // The new topic.
  exists: boolean
  newLimit: boolean
  /** A request to close it that may still take effect, or be lost. */
  newPending: boolean
  newSealed: boolean
  newEnd: number
  // The control plane: what is written down, and where it is in its step.
  state: MigrationState
  isAsked: boolean
  isClosed: boolean
  published: number
  restarts: number
  facts: { before: OldLeaders | 'none'; empty: 'yes' | 'no' | 'none'; after: OldLeaders | 'none' }
  planeProofs: [number, number]
  /** Somebody who is not of mQ has sealed the old topic. */
  isByHand: boolean
  /** Somebody who is not of mQ has deleted the old topic. */
  isGone: boolean
  /** Another migration has sealed the old topic for a successor of its own. */
  isNext: boolean
  clients: [Client, Client]
  // What has been said to somebody and must stay true.
  said: [number, number]
}

const bindings = { prepared: 0, sealing: 1, open: 2, undone: 3 } as const

function bindingFor(published: number, ends: readonly number[]): Binding {
  const state: MigrationState = (['prepared', 'refusing', 'open', 'cancelled'] as const)[published]!
  const { from, to } = epochStates[state]
  const base = { cluster: 'a', partitions: 2, endOffsets: null }
  return Binding.parse({
    ...{ mqId: 'orders.placed', incarnation: 1, revision: published + 1, format: 'json', ordering: 'key' },
    clusters: [{ name: 'a', bootstrap: ['a:1'] }],
    producer: { codec: 'none', lingerMs: 0, batchBytes: 1024, maxMessageBytes: 1024, requestTimeoutMs: 1000 },
    consumer: {
      ...{ fetchMinBytes: 1, fetchMaxWaitMs: 1, readAheadBytes: 65_536 },
      ...{ isolation: 'read_committed', sessionTimeoutMs: 1000 },
    },
    epochs: [
      { ...base, epoch: 1, topic: 'e1', state: from, ...(from === 'sealed' ? { endOffsets: ends.map(String) } : {}) },
      ...(to === undefined
        ? []
        : [{ ...base, epoch: 2, topic: 'e2', state: to, ...(to === 'preparing' ? { opensWhenSealed: true } : {}) }]),
    ],
  })
}

/** What the rule of the contract makes of each binding; worked out once, as it is the same in all worlds. */
const rule = Object.values(bindings).map((published) => {
  const binding = bindingFor(published, [0, 0])
  const succession = successionOf(binding)
  const isOpen = (one: Binding, epoch: number) =>
    one.epochs.some((each) => each.epoch === epoch && each.state === 'open')
  const proof = succession && {
    mqId: binding.mqId,
    incarnation: 1,
    from: succession.from,
    to: succession.to,
    ends: ['0', '0'],
  }
  return {
    mayProve: succession !== undefined,
    newIsOpen: isOpen(binding, 2),
    newIsOpenByProof: isOpen(withProvenSeal(binding, proof), 2),
    /** A proof that was made under an older binding still holds under this one. */
    keepsProof: isOpen(withProvenSeal(binding, { ...fromPrepared(), ends: ['0', '0'] }), 2),
  }
})

function fromPrepared() {
  const binding = bindingFor(bindings.prepared, [0, 0])
  const { from, to } = successionOf(binding)!
  return { mqId: binding.mqId, incarnation: 1, from, to }
}

class Broken extends Error {}

function demand(holds: boolean, what: string): void {
  if (!holds) throw new Broken(what)
}

const NOTHING = { before: 'none', empty: 'none', after: 'none' } as const
const client = (): Client => ({ holds: 0, proofs: [-1, -1], sawOpen: false, opened: false })
const begin = (): World => ({
  ...{ limit: false, sealed: [false, false], ends: [0, 0], pending: false },
  ...{ exists: true, newLimit: false, newPending: false, newSealed: false, newEnd: 0 },
  ...{ state: 'prepared', isAsked: false, isClosed: false, published: 0, restarts: 0 },
  ...{ facts: { ...NOTHING }, planeProofs: [-1, -1], isNext: false, isByHand: false, isGone: false },
  clients: [client(), client()],
  said: [-1, -1],
})

type Step = readonly [string, World]

/** Everything that may happen next. @throws Broken when one of the promises is broken */
function* steps(world: World, rules: Rules): Generator<Step> {
  yield* brokers(world)
  yield* lateWriter(world)
  for (const at of [0, 1] as const) yield* clientSteps(world, at, rules)
  yield* plane(world, rules)
  yield* nextMigration(world, rules)
  if (rules.noHands !== true && !world.isByHand && !world.limit && !world.isGone) {
    yield ['somebody seals the old topic by hand', { ...world, isByHand: true, limit: true }]
  }
  if (rules.noHands !== true && !world.isGone && !world.pending && world.state === 'undoing') {
    yield ['somebody deletes the old topic', { ...world, isGone: true }]
  }
}

function* brokers(world: World): Generator<Step> {
  if (world.pending) {
    yield ['the request for the seal arrives', { ...world, pending: false, limit: true }]
    yield ['the request for the seal is lost', { ...world, pending: false }]
  }
  for (const at of [0, 1] as const) {
    if (world.sealed[at] !== world.limit && !world.isGone) {
      yield [`old leader ${at} follows`, { ...world, sealed: world.sealed.with(at, world.limit) as [boolean, boolean] }]
    }
  }
  if (world.newPending) {
    yield ['the request to close the new topic arrives', { ...world, newPending: false, newLimit: true }]
    yield ['the request to close the new topic is lost', { ...world, newPending: false }]
  }
  if (world.newSealed !== world.newLimit) yield ['the new leader follows', { ...world, newSealed: world.newLimit }]
}

/** One who hears of nothing writes to the old topic. */
function* lateWriter(world: World): Generator<Step> {
  for (const at of [0, 1] as const) {
    if (world.isGone || world.sealed[at] || world.ends[at] >= 1) continue
    yield [
      `a record is acknowledged in old partition ${at}`,
      appendOld({ ...world, ends: world.ends.with(at, world.ends[at] + 1) as [number, number] }, at),
    ]
  }
}

function appendOld(world: World, at: 0 | 1): World {
  demand(world.newEnd === 0, `a record is acknowledged in the old epoch after one in the new`)
  demand(world.said[at] < 0 || world.newEnd === 0 || world.ends[at] <= world.said[at], 'a record behind the end')
  return world
}

function* clientSteps(world: World, at: 0 | 1, rules: Rules): Generator<Step> {
  const own = world.clients[at]
  const change = (parts: Partial<Client>): World => ({
    ...world,
    clients: world.clients.with(at, { ...own, ...parts }) as [Client, Client],
  })
  if (own.holds < world.published) {
    const held = rule[world.published]!
    const opened = held.newIsOpen || (own.opened && held.keepsProof)
    yield [
      `client ${at} hears`,
      change({ holds: world.published, opened, ...(opened ? {} : { proofs: [-1, -1], sawOpen: false }) }),
    ]
  }
  const held = rule[own.holds]!
  if (held.mayProve && !own.opened) {
    for (const partition of [0, 1] as const) {
      if (own.proofs[partition] >= 0 || !world.sealed[partition] || world.isGone) continue
      const proofs = own.proofs.with(partition, world.ends[partition]) as [number, number]
      yield [`client ${at} proves old partition ${partition}`, change({ proofs })]
    }
    const proven = own.proofs.filter((end) => end >= 0).length
    const isProven = proven === 2 || (rules.onePartition === true && proven === 1)
    if (!own.sawOpen && (isProven || rules.looksTooEarly === true) && world.exists && !world.newSealed) {
      yield [`client ${at} sees that the new topic takes records`, change({ sawOpen: true })]
    }
    if (isProven && own.sawOpen && held.newIsOpenByProof) {
      yield [`client ${at} opens the new epoch by proof`, opens(change({ opened: true }), own.proofs)]
    }
  }
  if (own.opened && world.exists && !world.newSealed && world.newEnd < 1) {
    yield [`client ${at} writes to the new epoch`, writeNew(change({}))]
  }
}

/** Somebody takes the new epoch for open, with these ends of the old one. */
function opens(world: World, ends: readonly number[]): World {
  // Where the old topic went away in between nobody can write to either, and the control plane says what is.
  demand(world.isGone || world.state !== 'cancelled', 'somebody opens an epoch that was taken back')
  const said = world.said.map((end, at) => {
    demand(end < 0 || world.newEnd === 0 || end === ends[at], 'two say different ends of the old epoch')
    return ends[at]!
  }) as [number, number]
  return { ...world, said }
}

function writeNew(world: World): World {
  demand(world.isGone || world.sealed.every(Boolean), 'a record goes to the new epoch while the old one takes records')
  demand(
    world.ends.every((end, at) => world.said[at] === end),
    'a record stands behind the end that somebody was told',
  )
  demand(!world.isNext, 'a record goes to an epoch that is not the next one any more')
  demand(world.state !== 'cancelled', 'a record goes to an epoch that was taken back')
  return { ...world, newEnd: 1 }
}

/** The control plane: one request or one write at a time, and it may die before each. */
function* plane(world: World, rules: Rules): Generator<Step> {
  const go = (event: Parameters<typeof transition>[1], parts: Partial<World> = {}): World => {
    const next = transition(world.state, event)
    assert.ok(next.kind === 'go', `${event} in ${world.state}`)
    return { ...world, facts: { ...NOTHING }, ...parts, state: next.to }
  }
  if (
    world.restarts < 1 &&
    (world.facts.before !== 'none' || world.facts.empty !== 'none' || world.planeProofs.some((end) => end >= 0))
  ) {
    yield [
      'the control plane dies and comes back',
      { ...world, restarts: 1, facts: { ...NOTHING }, planeProofs: [-1, -1] },
    ]
  }
  // What becomes of a topic that went away after that is no matter of the succession (source-topic.ts).
  if (world.isGone && world.state !== 'undoing' && world.state !== 'cancelled') return
  switch (world.state) {
    case 'prepared':
      yield ['the control plane is about to seal', go('seal-begins', { isAsked: true })]
      yield ['a person cancels', go('cancel')]
      return
    case 'sealing':
      if (!world.pending && !world.limit) yield ['the control plane asks for the seal', { ...world, pending: true }]
      if (world.sealed.some(Boolean))
        yield ['the control plane sees a refusal', go('leader-refused', { published: bindings.sealing })]
      yield ['the step fails, or a person cancels', go('cancel')]
      return
    case 'refusing': {
      if (!world.pending && !world.limit) yield ['the control plane asks for the seal', { ...world, pending: true }]
      for (const at of [0, 1] as const) {
        if (world.planeProofs[at] >= 0 || !world.sealed[at]) continue
        yield [
          `the control plane proves ${at}`,
          { ...world, planeProofs: world.planeProofs.with(at, world.ends[at]) as [number, number] },
        ]
      }
      if (world.planeProofs.every((end) => end >= 0)) yield ['all is sealed', go('all-sealed')]
      return
    }
    case 'sealed':
      yield ['the control plane opens the new epoch', opens(go('opened', { published: bindings.open }), world.ends)]
      return
    case 'open':
      if (world.newLimit) yield ['the open topic is opened again', { ...world, newLimit: false }]
      return
    case 'undoing':
      yield* undoing(world, rules, go)
      return
    case 'cancelled':
      // Before the deletion, and over and over as long as it cannot be closed.
      if (!world.isClosed) yield* closing(world, rules)
      else if (world.exists) {
        demand(world.newEnd === 0, 'a topic with records is deleted')
        yield ['the new topic is deleted', { ...world, exists: false }]
      }
      return
    default:
      return
  }
}

function* undoing(
  world: World,
  rules: Rules,
  go: (event: 'leader-refused' | 'undone-cancel', parts?: Partial<World>) => World,
): Generator<Step> {
  const { facts } = world
  const known = <T extends string>(value: T): Exclude<T, 'none'> | undefined =>
    value === 'none' ? undefined : (value as Exclude<T, 'none'>)
  const [leadersBefore, leadersAfter] = [known(facts.before), known(facts.after)]
  const given: WithdrawalFacts = {
    isClosed: world.isClosed,
    isAsked: world.isAsked,
    ...(leadersBefore === undefined ? {} : { leadersBefore }),
    ...(facts.empty === 'none' ? {} : { isEmpty: facts.empty === 'yes' }),
    ...(leadersAfter === undefined ? {} : { leadersAfter }),
  }
  let step = withdrawalStep(given)
  if (rules.withoutClosing === true && step === 'close') step = 'done'
  if (rules.withoutLookAfter === true && step === 'ask-after') step = 'write'
  const looked = (name: 'before' | 'after', leaders: OldLeaders): Step => [
    `the old leaders are ${leaders}`,
    { ...world, facts: { ...facts, [name]: leaders } },
  ]
  if (rules.givesUp === true && !world.isAsked && !world.isClosed && facts.empty === 'none') {
    yield ['undone without closing', go('undone-cancel', { published: bindings.undone })]
  }
  switch (step) {
    case 'ask-before':
    case 'ask-after': {
      const name = step === 'ask-before' ? 'before' : 'after'
      // A leader that does not answer says nothing; one at least answers, or it is asked again.
      if (!world.isGone && world.sealed.some(Boolean)) yield looked(name, 'refusing')
      // A client cannot prove what is not there.
      if (world.isGone || !world.sealed.every(Boolean)) yield looked(name, 'open')
      return
    }
    case 'close':
      yield* closing(world, rules)
      return
    case 'write':
      yield ['that it is closed is written', { ...world, isClosed: true }]
      return
    case 'refused':
    case 'in-use':
      if (world.newLimit) yield ['the new topic is opened again', { ...world, newLimit: false }]
      else yield ['the migration goes on', go('leader-refused', { published: bindings.sealing, isAsked: true })]
      return
    case 'done':
      if (world.isGone) yield ['undone', undone(go('undone-cancel', { published: bindings.undone }))]
      else if (world.limit && world.isAsked) yield ['the seal is taken back', { ...world, limit: false }]
      else if (!world.isAsked || world.sealed.every((one) => !one)) {
        yield ['undone', undone(go('undone-cancel', { published: bindings.undone }))]
      }
      return
    case 'wait':
      yield ['asked again', { ...world, facts: { ...NOTHING } }]
  }
}

function undone(world: World): World {
  demand(world.newEnd === 0, 'an epoch with records is taken back')
  demand(world.isGone || world.clients.every(({ opened }) => !opened), 'an epoch is taken back that a client uses')
  return world
}

/** Closes the new topic, proves it, and looks whether it is empty. */
function* closing(world: World, rules: Rules): Generator<Step> {
  if (!world.newLimit) {
    if (!world.newPending) yield ['the new topic is to be closed', { ...world, newPending: true }]
  } else if (world.newSealed && world.state === 'cancelled') {
    if (world.newEnd === 0) yield ['the new topic is closed', { ...world, isClosed: true }]
  } else if (world.newSealed) {
    const isEmpty = world.newEnd === 0 || rules.closedCountsAsEmpty === true
    yield ['the new topic is closed', { ...world, facts: { ...world.facts, empty: isEmpty ? 'yes' : 'no' } }]
  }
}

/** Later the old topic is sealed for another successor. */
function* nextMigration(world: World, rules: Rules): Generator<Step> {
  if (world.state !== 'cancelled' || world.isNext || world.isGone) return
  if (world.isClosed || rules.sealsAnew === true) {
    yield ['the next migration asks for the seal', { ...world, isNext: true, limit: true, pending: false }]
  }
}

/** Whether a client that was told of the rule cannot finish without the control plane, although everything is there for it. */
function isStuck(world: World): boolean {
  const isReady =
    world.sealed.every(Boolean) && world.exists && !world.newSealed && !world.newLimit && world.newEnd === 0
  if (!isReady || world.isGone || world.isNext || world.state === 'cancelled') return false
  if (!rule[world.clients[0].holds]!.mayProve) return false
  let now = world
  for (let moves = 0; moves < 10 && now.newEnd === 0; moves++) {
    const next = [...clientSteps(now, 0, {})].find(([name]) => !name.endsWith('hears'))
    if (next === undefined) return true
    now = next[1]
  }
  return now.newEnd === 0
}

const key = (world: World): string => JSON.stringify(world)

/** @returns how many worlds there are, and the history that breaks a promise, if one does */
function explore(rules: Rules): { worlds: number; broken?: string; history: string[]; ends: Set<string> } {
  const first = begin()
  const from = new Map<string, readonly [string, string] | undefined>([[key(first), undefined]])
  const queue: World[] = [first]
  const ends = new Set<string>()
  const historyOf = (world: World): string[] => {
    const history: string[] = []
    for (let came = from.get(key(world)); came !== undefined; came = from.get(came[0])) history.unshift(came[1])
    return history
  }
  for (let at = 0; at < queue.length; at++) {
    const world = queue[at]!
    ends.add(`${world.state}${world.newEnd > 0 ? ', in use' : ''}`)
    if (isStuck(world))
      return { worlds: queue.length, broken: 'clients wait for ever', history: historyOf(world), ends }
    try {
      for (const [name, next] of steps(world, rules)) {
        const id = key(next)
        if (from.has(id)) continue
        from.set(id, [key(world), name])
        queue.push(next)
      }
    } catch (error) {
      if (!(error instanceof Broken)) throw error
      return { worlds: queue.length, broken: error.message, history: historyOf(world), ends }
    }
  }
  return { worlds: queue.length, history: [], ends }
}

test('no history of a migration breaks a promise, whoever dies, cancels or hears nothing', {
  timeout: 300_000,
}, (t) => {
  const { worlds, broken, history, ends } = explore({})
  assert.equal(broken, undefined, history.join('\n'))
  t.diagnostic(`${worlds} worlds, ${[...ends].join('; ')}`)
  assert.ok(worlds > 10_000, `${worlds} worlds`)
  for (const end of ['open, in use', 'cancelled', 'sealing, in use', 'undoing, in use', 'refusing, in use']) {
    assert.ok(ends.has(end), `${end} is reached`)
  }
})

const mutations: readonly (readonly [keyof Rules, RegExp])[] = [
  ['withoutClosing', /taken back|after one in the new/],
  ['givesUp', /with records is|taken back/],
  ['withoutLookAfter', /an epoch is taken back that a client uses/],
  ['closedCountsAsEmpty', /with records is/],
  ['looksTooEarly', /taken back/],
  ['onePartition', /takes records/],
]
for (const [mutation, expected] of mutations) {
  test(`the exploration finds what is wrong when the rule is broken: ${mutation}`, { timeout: 300_000 }, (t) => {
    const { broken, history } = explore({ [mutation]: true })
    assert.match(broken ?? 'nothing was found', expected)
    t.diagnostic(`${broken}: ${history.join(' > ')}`)
  })
}

test('an epoch that a person gives up while its cluster is away is opened by nobody, as long as only mQ seals the old topic (U4, N6)', {
  timeout: 300_000,
}, () => {
  const { broken, history, ends } = explore({ givesUp: true, noHands: true })
  assert.equal(broken, undefined, history.join('\n'))
  assert.ok(ends.has('cancelled'))
  assert.match(explore({ givesUp: true, noHands: true, sealsAnew: true }).broken ?? 'nothing was found', /taken back/)
})
