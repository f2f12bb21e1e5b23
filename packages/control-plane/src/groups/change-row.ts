/**
 * A change of positions as it is kept: what was asked, what is to be set, and what came of it.
 */
import type { GroupChange } from '@mq/contract'
import type { StandingPosition } from '../provision/group-admin.ts'

/** A position to set, as it is stored: offsets as text. */
export interface StoredTarget {
  readonly epoch: number
  readonly partition: number
  readonly before: string | null
  readonly after: {
    readonly offset: string
    readonly finished: readonly string[]
    readonly leaderEpoch: number | null
    /** Offset, attempts, when it failed first. */
    readonly failing: readonly (readonly [string, number, number])[]
  }
}

export interface GroupChangeRow {
  readonly number: number
  readonly view: GroupChange
  readonly groupId: string
  /** Live epochs when it was asked for. */
  readonly epochs: readonly number[]
  /** What is to be set; null until it is known. */
  readonly targets: readonly StoredTarget[] | null
  /** Since when the members are asked to leave; null while they are not. */
  readonly heldAtMs: number | null
  readonly attempt: number
}

export function isChangeOver({ view: { state } }: Pick<GroupChangeRow, 'view'>): boolean {
  return state === 'done' || state === 'failed'
}

export function storedPosition(position: StandingPosition): StoredTarget['after'] {
  const { offset, finished, leaderEpoch, failing = [] } = position
  return {
    offset: String(offset),
    finished: finished.map(({ first, end }) => `${first}-${end}`),
    leaderEpoch: leaderEpoch ?? null,
    failing: failing.map(
      ({ offset: at, attempts, firstFailedAtMs }) => [String(at), attempts, firstFailedAtMs] as const,
    ),
  }
}

export function positionOf({ offset, finished, leaderEpoch, failing }: StoredTarget['after']): StandingPosition {
  return {
    offset: BigInt(offset),
    finished: finished.map((range) => {
      const [first, end] = range.split('-')
      return { first: BigInt(first!), end: BigInt(end!) }
    }),
    leaderEpoch: leaderEpoch ?? undefined,
    failing: failing.map(([at, attempts, firstFailedAtMs]) => ({ offset: BigInt(at), attempts, firstFailedAtMs })),
  }
}
