/**
 * The checker: judges a history and knows nothing of the system that made it.
 *
 * K1 lost: an acknowledged message that a group never handled. When the history holds an audit of the logs, a message that is
 *    not even there is counted as `ackedNotStored` too: lost before Kafka had it, not after.
 * K2 ghost: a handled or stored message that nobody sent, or whose send definitely failed.
 * K3 duplicated: handled more than once by one group, or stored at more than one place.
 * K4 reordered: of one key and producer, a first handling whose `n` is not above the one before.
 * K5 inconsistent offsets: one (epoch, partition, offset) that names two messages.
 * K6 seal: a record at or past the end offset of a sealed partition.
 * K7 gate: a record of a later epoch handled before a record, by the same group, of the older partition its key lived in.
 * K8 early commit: a group's commit past a record that the group had not handled by then.
 *
 * Events may come in any order across processes: they are sorted by `tUs` first.
 */
import type { HistoryEvent } from './history.ts'

/** One broken rule, with where to look. */
export interface Violation {
  readonly rule:
    | 'lost'
    | 'acked-not-stored'
    | 'ghost'
    | 'duplicated'
    | 'reordered'
    | 'inconsistent-offset'
    | 'seal'
    | 'gate'
    | 'early-commit'
  readonly detail: string
}

export interface Verdict {
  readonly ok: boolean
  readonly sent: number
  readonly acked: number
  readonly failedSends: number
  /** Acknowledged sends and failed ones still ambiguous do not count as lost. */
  readonly counts: Readonly<Record<Violation['rule'], number>>
  readonly handledByGroup: Readonly<Record<string, number>>
  /** The first hundred of them; `counts` has all. */
  readonly violations: readonly Violation[]
}

type Handle = Extract<HistoryEvent, { type: 'handle' }>
type Commit = Extract<HistoryEvent, { type: 'commit' }>
type Fate = 'unknown' | 'acked' | 'ambiguous' | 'failed'

const RULES = [
  'lost',
  'acked-not-stored',
  'ghost',
  'duplicated',
  'reordered',
  'inconsistent-offset',
  'seal',
  'gate',
  'early-commit',
] as const
const KEPT_VIOLATIONS = 100

/** @param groups groups that must have handled everything; default: every group that handled something. */
export function checkHistory(events: readonly HistoryEvent[], groups?: readonly string[]): Verdict {
  const ordered = events.toSorted((a, b) => a.tUs - b.tUs)
  const book = new ViolationBook()
  const fates = fatesOf(ordered)
  const handles = ordered.filter((event) => event.type === 'handle')
  const byGroup = Map.groupBy(handles, (handle) => handle.group)
  const commits = Map.groupBy(
    ordered.filter((event) => event.type === 'commit'),
    (commit) => commit.group,
  )

  checkStored(ordered, fates, book)
  for (const group of new Set([...(groups ?? []), ...byGroup.keys()])) {
    const handled = byGroup.get(group) ?? []
    checkDelivery(group, handled, fates, book)
    checkGate(group, handled, book)
    checkEarlyCommits(group, handled, commits.get(group) ?? [], book)
  }
  const fateCount = (fate: Fate): number => [...fates.values()].filter((each) => each === fate).length
  return {
    ok: book.violations.length === 0,
    sent: fates.size,
    acked: fateCount('acked'),
    failedSends: fateCount('failed') + fateCount('ambiguous'),
    counts: book.counts,
    handledByGroup: Object.fromEntries([...byGroup].map(([group, handled]) => [group, handled.length])),
    violations: book.violations,
  }
}

class ViolationBook {
  readonly counts = Object.fromEntries(RULES.map((rule) => [rule, 0])) as Record<Violation['rule'], number>
  readonly violations: Violation[] = []

  add(rule: Violation['rule'], detail: string): void {
    this.counts[rule] += 1
    if (this.violations.length < KEPT_VIOLATIONS) this.violations.push({ rule, detail })
  }
}

const nameOf = (event: { producer: string; n: number }): string => `${event.producer}#${event.n}`
const placeOf = (event: { epoch: number; partition: number; offset: number }): string =>
  `epoch ${event.epoch} partition ${event.partition} offset ${event.offset}`

function fatesOf(events: readonly HistoryEvent[]): Map<string, Fate> {
  const fates = new Map<string, Fate>()
  for (const event of events) {
    if (event.type === 'send') {
      if (!fates.has(nameOf(event))) fates.set(nameOf(event), 'unknown')
    } else if (event.type === 'ack') {
      fates.set(nameOf(event), 'acked')
    } else if (event.type === 'nack') {
      fates.set(nameOf(event), event.ambiguous ? 'ambiguous' : 'failed')
    }
  }
  return fates
}

function checkStored(events: readonly HistoryEvent[], fates: ReadonlyMap<string, Fate>, book: ViolationBook): void {
  const ends = new Map<string, number>()
  for (const event of events) if (event.type === 'seal') ends.set(`${event.epoch}/${event.partition}`, event.offset)
  const atPlace = new Map<string, string>()
  const placeInLog = new Map<string, string>()
  let audited = false
  for (const event of events) {
    if (event.type !== 'log' && event.type !== 'handle') continue
    const name = nameOf(event)
    const place = placeOf(event)
    const other = atPlace.get(place)
    if (other !== undefined && other !== name) book.add('inconsistent-offset', `${place} is both ${other} and ${name}`)
    atPlace.set(place, name)
    const end = ends.get(`${event.epoch}/${event.partition}`)
    if (end !== undefined && event.offset >= end && event.type === 'log')
      book.add('seal', `${name} stands at ${place}, sealed at ${end}`)
    if (event.type === 'handle') continue
    audited = true
    const elsewhere = placeInLog.get(name)
    if (elsewhere !== undefined && elsewhere !== place)
      book.add('duplicated', `${name} is stored at ${elsewhere} and at ${place}`)
    placeInLog.set(name, place)
    checkGhost(name, fates, `stored at ${place}`, book)
  }
  if (!audited) return
  for (const [name, fate] of fates) {
    if (fate === 'acked' && !placeInLog.has(name))
      book.add('acked-not-stored', `${name} was acknowledged and is in no log`)
  }
}

function checkGhost(name: string, fates: ReadonlyMap<string, Fate>, how: string, book: ViolationBook): void {
  const fate = fates.get(name)
  if (fate === undefined) book.add('ghost', `${name}, ${how}, was never sent`)
  else if (fate === 'failed') book.add('ghost', `${name}, ${how}, was reported as not stored`)
}

function checkDelivery(
  group: string,
  handled: readonly Handle[],
  fates: ReadonlyMap<string, Fate>,
  book: ViolationBook,
): void {
  const seen = new Set<string>()
  const lastOfKey = new Map<string, number>()
  for (const handle of handled) {
    const name = nameOf(handle)
    if (seen.has(name)) {
      book.add('duplicated', `${group} handled ${name} again at ${placeOf(handle)}`)
      continue
    }
    seen.add(name)
    checkGhost(name, fates, `handled by ${group}`, book)
    if (handle.key === null) continue
    const line = `${handle.producer}\u0000${handle.key}`
    const last = lastOfKey.get(line) ?? -1
    if (handle.n < last) book.add('reordered', `${group} handled ${name} of key ${handle.key} after #${last}`)
    else lastOfKey.set(line, handle.n)
  }
  for (const [name, fate] of fates) {
    if (fate === 'acked' && !seen.has(name)) book.add('lost', `${group} never handled ${name}`)
  }
}

/** K7: going back in epochs within what shares an old partition means that a gate stood open too early. */
function checkGate(group: string, handled: readonly Handle[], book: ViolationBook): void {
  const homes = new Map<string, string>()
  for (const handle of handled) {
    if (handle.key !== null) homes.set(`${handle.epoch}\u0000${handle.key}`, `${handle.epoch}/${handle.partition}`)
  }
  const epochs = [...new Set(handled.map((handle) => handle.epoch))].sort((a, b) => a - b)
  const lastOfHome = new Map<string, number>()
  handled.forEach((handle, index) => {
    lastOfHome.set(`${handle.epoch}/${handle.partition}`, index)
  })
  handled.forEach((handle, index) => {
    if (handle.key === null) return
    for (const older of epochs) {
      if (older >= handle.epoch) break
      const home = homes.get(`${older}\u0000${handle.key}`)
      if (home !== undefined && lastOfHome.get(home)! > index) {
        book.add(
          'gate',
          `${group} handled ${nameOf(handle)} of epoch ${handle.epoch} before epoch/partition ${home} was drained`,
        )
      }
    }
  })
}

function checkEarlyCommits(
  group: string,
  handled: readonly Handle[],
  commits: readonly Commit[],
  book: ViolationBook,
): void {
  const firstHandledUs = new Map<string, Map<number, number>>()
  for (const handle of handled) {
    const home = `${handle.epoch}/${handle.partition}`
    const offsets = firstHandledUs.get(home) ?? new Map<number, number>()
    firstHandledUs.set(home, offsets)
    if (!offsets.has(handle.offset)) offsets.set(handle.offset, handle.tUs)
  }
  for (const [home, mine] of Map.groupBy(commits, (commit) => `${commit.epoch}/${commit.partition}`)) {
    const pending = [...(firstHandledUs.get(home) ?? [])].sort((a, b) => a[0] - b[0])
    let next = 0
    let coveredTo = 0
    for (const commit of mine) {
      if (commit.offset <= coveredTo) continue
      coveredTo = commit.offset
      while (next < pending.length && pending[next]![0] < commit.offset) {
        const [offset, tUs] = pending[next]!
        if (tUs > commit.tUs)
          book.add('early-commit', `${group} committed ${placeOf(commit)} before it handled offset ${offset}`)
        next += 1
      }
    }
  }
}
