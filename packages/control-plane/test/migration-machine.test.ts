/**
 * The machine of a migration against its invariants M1-M7, over every path.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MigrationState } from '@mq/contract'
import fc from 'fast-check'
import {
  epochStates,
  events,
  isCancellable,
  isEnd,
  isHandingOver,
  type MigrationEvent,
  table,
  transition,
} from '../src/migration/machine.ts'

const states = MigrationState.options

function successors(state: MigrationState): MigrationState[] {
  return events.flatMap((event) => {
    const next = transition(state, event)
    return next.kind === 'go' ? [next.to] : []
  })
}

function reachable(from: MigrationState): Set<MigrationState> {
  const seen = new Set<MigrationState>([from])
  for (const state of seen) for (const next of successors(state)) seen.add(next)
  return seen
}

/** Every path without a repeated state. */
function* paths(
  state: MigrationState,
  path: readonly MigrationState[] = [state],
): Generator<readonly MigrationState[]> {
  yield path
  for (const next of new Set(successors(state))) if (!path.includes(next)) yield* paths(next, [...path, next])
}

test('every event has an answer in every state, and no others are in the table (M1)', () => {
  assert.deepEqual(Object.keys(table).sort(), [...states].sort())
  for (const state of states) assert.deepEqual(Object.keys(table[state]).sort(), [...events].sort(), state)
})

test('after a leader refused data no path leads back (M2)', () => {
  for (const state of ['refusing', 'sealed', 'open', 'draining', 'stranded', 'retired'] as const) {
    for (const undone of ['planned', 'prepared', 'sealing', 'undoing', 'cancelled', 'failed'] as const) {
      assert.ok(!reachable(state).has(undone), `${state} -> ${undone}`)
    }
  }
})

test('the new epoch opens only by way of every leader proven, on every path (M3)', () => {
  let seen = 0
  for (const path of paths('planned')) {
    seen++
    const open = path.indexOf('open')
    if (open < 0) continue
    assert.deepEqual(path.slice(open - 2, open), ['refusing', 'sealed'], path.join(' > '))
  }
  assert.ok(seen > 15, `${seen} paths`)
  for (const state of states) {
    if (state !== 'sealed') assert.ok(!successors(state).includes('open'), state)
    if (state !== 'refusing') assert.ok(!successors(state).includes('sealed'), state)
  }
})

test('a cancel is taken before the first refusal and refused after it (M4)', () => {
  const answer = (state: MigrationState) => transition(state, 'cancel').kind
  assert.deepEqual(
    states.filter((state) => answer(state) === 'go'),
    ['planned', 'prepared', 'sealing'],
  )
  assert.deepEqual(
    states.filter((state) => answer(state) === 'refuse'),
    ['refusing', 'sealed', 'open', 'draining', 'stranded', 'retired'],
  )
  for (const state of states) assert.equal(isCancellable(state), answer(state) === 'go')
})

test('every state leads to an end, and ends lead nowhere (M5)', () => {
  for (const state of states) {
    if (isEnd(state)) assert.deepEqual(successors(state), [], state)
    else assert.ok([...reachable(state)].some(isEnd), state)
    assert.ok(reachable('planned').has(state), `${state} is reached`)
  }
})

test('the old epoch leaves the binding only when drained or deleted (M6)', () => {
  for (const state of states) {
    for (const event of events) {
      const next = transition(state, event)
      if (next.kind !== 'go' || next.to !== 'retired') continue
      const isRead = (state === 'draining' || state === 'stranded') && event === 'drained'
      assert.ok(isRead || event === 'id-deleted', `${state} ${event}`)
    }
  }
})

test('groups go on without the old epoch only from the drain, and come back to it (M8)', () => {
  for (const state of states) {
    for (const event of events) {
      const next = transition(state, event)
      if (next.kind !== 'go' || next.to !== 'stranded') continue
      assert.deepEqual([state, event], ['draining', 'source-lost'])
    }
  }
  assert.deepEqual(transition('stranded', 'source-back'), { kind: 'go', to: 'draining' })
  assert.ok(!reachable('stranded').has('open'), 'what is open stays open')
})

test('at most one of the two epochs is open in every state, and none from the first refusal until the new one opens', () => {
  for (const state of states) {
    const { from, to } = epochStates[state]
    assert.ok(!(from === 'open' && to === 'open'), state)
    if (['refusing', 'sealed'].includes(state)) assert.ok(from !== 'open' && to !== 'open', state)
    else assert.ok(from === 'open' || to === 'open', state)
    assert.equal(isHandingOver(state), !isEnd(state) && to !== 'open', state)
  }
})

test('random histories keep the promises of their past (M2, M4, M7)', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom<MigrationEvent>(...events), { maxLength: 60 }), (history) => {
      let state: MigrationState = 'planned'
      let refused = false
      let opened = false
      for (const event of history) {
        const next = transition(state, event)
        if (next.kind === 'impossible') continue
        if (event === 'leader-refused') refused = true
        if (event === 'cancel') {
          assert.equal(next.kind === 'go', !refused && ['planned', 'prepared', 'sealing'].includes(state), state)
        }
        if (next.kind !== 'go') continue
        state = next.to
        if (state === 'open') {
          assert.ok(refused, 'opened without a proof')
          assert.ok(!opened, 'opened twice')
          opened = true
        }
        if (refused) assert.ok(epochStates[state].from !== 'open', `${state}: the old epoch is open again`)
        if (state === 'undoing') assert.ok(!refused, 'undone after a refusal')
      }
    }),
    { numRuns: 5_000 },
  )
})
