/**
 * What one group handled and committed, judged as it comes (K1-K4, K7, K8 of the checker).
 *
 * H1. Of a key in an epoch it is enough to know when the group first handled it there and where it lived: a gate stood open too
 *     early exactly if that first handling came before the last one of its older home.
 */
import type { HistoryEvent } from './history.ts'
import { type Messages, placeText } from './messages.ts'
import { type Paged, pagedBytes } from './paged.ts'
import type { Report } from './violation.ts'

type Handle = Extract<HistoryEvent, { type: 'handle' }>
type Commit = Extract<HistoryEvent, { type: 'commit' }>

/** A partition of an epoch, as the group read it. */
interface Home {
  readonly name: string
  /** Place of its last handling in the order of all of the group. */
  last: number
  readonly handled: Paged<Uint8Array>
  /** Commits that went further than all before: up to which offset, and when. */
  readonly commits: { readonly offset: number; readonly tUs: number }[]
}

/** A key in one epoch (H1). */
interface Stay {
  readonly first: number
  home: Home
}

export class GroupHistory {
  readonly #name: string
  readonly #report: Report
  readonly #seen: (Paged<Uint8Array> | undefined)[] = []
  readonly #lastOfKey: (Map<string, number> | undefined)[] = []
  readonly #homes = new Map<number, Home[]>()
  readonly #stays = new Map<number, Map<string, Stay>>()
  handledCount = 0

  constructor(name: string, report: Report) {
    this.#name = name
    this.#report = report
  }

  handled(event: Handle, producer: number): void {
    const index = this.handledCount++
    const home = this.#home(event.epoch, event.partition)
    home.last = index
    this.#checkCommits(event, home)
    if (event.key !== null) this.#stay(event.epoch, event.key, index, home)
    this.#seen[producer] ??= pagedBytes()
    const seen = this.#seen[producer]
    if (seen.get(event.n) !== 0) {
      this.#report('duplicated', `${this.#name} handled ${event.producer}#${event.n} again at ${placeText(event)}`)
      return
    }
    seen.set(event.n, 1)
    if (event.key === null) return
    this.#lastOfKey[producer] ??= new Map()
    const lastOfKey = this.#lastOfKey[producer]
    const last = lastOfKey.get(event.key)
    if (last !== undefined && event.n < last) {
      const what = `${event.producer}#${event.n} of key ${event.key} after #${last}`
      this.#report('reordered', `${this.#name} handled ${what}`)
    } else lastOfKey.set(event.key, event.n)
  }

  committed({ epoch, partition, offset, tUs }: Commit): void {
    const { commits } = this.#home(epoch, partition)
    if (offset > (commits.at(-1)?.offset ?? 0)) commits.push({ offset, tUs })
  }

  /** What can be said only when everything is there. */
  end(messages: Messages): void {
    this.#checkGates()
    messages.compare(this.#seen, {
      lost: (name) => this.#report('lost', `${this.#name} never handled ${name}`),
      ghost: (name, how) => this.#report('ghost', `${name}, handled by ${this.#name}, ${how}`),
    })
  }

  #home(epoch: number, partition: number): Home {
    let homes = this.#homes.get(epoch)
    if (homes === undefined) {
      homes = []
      this.#homes.set(epoch, homes)
    }
    homes[partition] ??= { name: `${epoch}/${partition}`, last: -1, handled: pagedBytes(), commits: [] }
    return homes[partition]
  }

  #stay(epoch: number, key: string, index: number, home: Home): void {
    let stays = this.#stays.get(epoch)
    if (stays === undefined) {
      stays = new Map()
      this.#stays.set(epoch, stays)
    }
    const stay = stays.get(key)
    if (stay === undefined) stays.set(key, { first: index, home })
    else stay.home = home
  }

  /** K8, at the first handling of an offset. */
  #checkCommits(event: Handle, home: Home): void {
    if (home.handled.get(event.offset) !== 0) return
    home.handled.set(event.offset, 1)
    if (event.offset >= (home.commits.at(-1)?.offset ?? 0)) return
    const covering = home.commits.findLast(
      ({ offset }, at) => offset > event.offset && (home.commits[at - 1]?.offset ?? 0) <= event.offset,
    )
    if (covering === undefined || event.tUs <= covering.tUs) return
    const place = `epoch/partition ${home.name} up to ${covering.offset}`
    this.#report('early-commit', `${this.#name} committed ${place} before it handled offset ${event.offset}`)
  }

  /** K7, H1 */
  #checkGates(): void {
    const epochs = [...this.#stays.keys()].sort((a, b) => a - b)
    // The last handling of any older home of the key: most keys are past it, and need no closer look.
    const lastOfOlder = new Map<string, number>()
    for (const [at, epoch] of epochs.entries()) {
      for (const [key, { first, home: own }] of this.#stays.get(epoch)!) {
        const lastOlder = lastOfOlder.get(key) ?? -1
        lastOfOlder.set(key, Math.max(lastOlder, own.last))
        if (lastOlder <= first) continue
        for (const older of epochs.slice(0, at)) {
          const home = this.#stays.get(older)!.get(key)?.home
          if (home === undefined || home.last <= first) continue
          const what = `key ${key} of epoch ${epoch} before epoch/partition ${home.name} was drained`
          this.#report('gate', `${this.#name} handled ${what}`)
        }
      }
    }
  }
}
