/**
 * The states of a decision against D3-D6, over every path, and policies against Y1.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  DEFAULT_POLICY,
  type DecisionEvent,
  DecisionState,
  type DecisionTransition,
  decisionEvents,
  decisionTable,
  decisionTransition,
  effectivePolicy,
  isDecided,
  isUnderWay,
  Knob,
  PolicyMode,
  PolicyRule,
  policyScopeProblem,
} from '../src/index.ts'

const states = DecisionState.options

function successors(state: DecisionState): DecisionState[] {
  return decisionEvents.flatMap((event) => {
    const next = decisionTransition(state, event)
    return next.kind === 'go' ? [next.to] : []
  })
}

function reachable(from: DecisionState): Set<DecisionState> {
  const seen = new Set<DecisionState>([from])
  for (const state of seen) for (const next of successors(state)) seen.add(next)
  return seen
}

test('every event has an answer in every state, and no others are in the table (D3)', () => {
  assert.deepEqual(Object.keys(decisionTable).sort(), [...states].sort())
  for (const state of states)
    assert.deepEqual(Object.keys(decisionTable[state]).sort(), [...decisionEvents].sort(), state)
})

test('what touched a client leaves it by being kept or by way of undoing, and by nothing else (D4)', () => {
  for (const state of ['trial', 'applying', 'watching'] as const) {
    for (const next of successors(state)) {
      assert.ok(isUnderWay(next) || next === 'kept', `${state} -> ${next}`)
    }
  }
  for (const state of states) {
    for (const next of successors(state)) {
      if (next === 'undone') assert.equal(state, 'undoing')
    }
  }
})

test('nothing is kept that was not watched, and nothing watched that was not made for all (D5)', () => {
  for (const state of states) {
    if (state !== 'watching') assert.ok(!successors(state).includes('kept'), state)
    if (state !== 'applying') assert.ok(!successors(state).includes('watching'), state)
  }
})

test('every state leads to an end, every state is reached, and ends lead nowhere but from kept back (D6)', () => {
  const all = reachable('proposed')
  for (const state of states) {
    assert.ok(all.has(state), `${state} is reached`)
    if (state === 'kept') assert.deepEqual(new Set(successors(state)), new Set(['undoing', 'superseded']))
    else if (isDecided(state)) assert.deepEqual(successors(state), [], state)
    else assert.ok([...reachable(state)].some(isDecided), state)
    assert.ok(!(isDecided(state) && isUnderWay(state)), state)
  }
})

test('a person can stop a decision in every state that is no end, and undo a kept one', () => {
  for (const state of states) {
    const { kind } = decisionTransition(state, 'undo')
    if (!isDecided(state) || state === 'kept') assert.notEqual(kind, 'refuse', state)
    assert.notEqual(kind, 'impossible', state)
    assert.notEqual(decisionTransition(state, 'accept').kind, 'impossible', state)
  }
})

test('random histories never keep what was not tried or applied, and never forget what was touched (D4, D5)', () => {
  let kept = 0
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 999 }), { maxLength: 60 }), (draws) => {
      let state: DecisionState = 'proposed'
      const history: DecisionEvent[] = []
      let touched = false
      let reverted = false
      for (const draw of draws) {
        const open = decisionEvents.filter((one) => decisionTransition(state, one).kind === 'go')
        const event = open[draw % Math.max(1, open.length)]
        const next: DecisionTransition | undefined = event === undefined ? undefined : decisionTransition(state, event)
        if (event === undefined || next?.kind !== 'go') break
        history.push(event)
        if (isUnderWay(next.to)) touched = true
        if (event.startsWith('reverted-')) reverted = true
        if (next.to === 'kept') {
          kept++
          assert.ok(touched)
        }
        state = next.to
      }
      if (['undone', 'failed', 'superseded'].includes(state) && touched) {
        // A kept decision whose intent changed stands no more: others replaced its settings already.
        assert.ok(reverted || state === 'superseded', `${history.join(' ')} ended ${state}`)
      }
      if (['rejected', 'expired'].includes(state)) assert.ok(!touched, history.join(' '))
    }),
    { numRuns: 5_000, seed: 11 },
  )
  assert.ok(kept > 0)
})

test('what an mQ ID leaves open its team says, then the global rule, then the default (Y1)', () => {
  const rule = (part: Partial<PolicyRule>): PolicyRule => PolicyRule.parse(part)
  const none = effectivePolicy(new Map(), 'a.b', 'checkout')
  assert.deepEqual(
    { ...none, from: undefined },
    { ...DEFAULT_POLICY, autoKnobs: [...DEFAULT_POLICY.autoKnobs], from: undefined },
  )
  assert.deepEqual(none.from, { mode: 'default', maxChangesPerDay: 'default', autoKnobs: 'default' })
  const rules = new Map([
    ['global', rule({ mode: 'observe', maxChangesPerDay: 2 })],
    ['team=checkout', rule({ mode: 'approve', autoKnobs: ['codec'] })],
    ['id=a.b', rule({ maxChangesPerDay: 0 })],
  ])
  assert.deepEqual(effectivePolicy(rules, 'a.b', 'checkout'), {
    mode: 'approve',
    maxChangesPerDay: 0,
    autoKnobs: ['codec'],
    from: { mode: 'team=checkout', maxChangesPerDay: 'id=a.b', autoKnobs: 'team=checkout' },
  })
  assert.equal(effectivePolicy(rules, 'a.b', undefined).mode, 'observe')
})

test('whatever the rules say, each part is that of the nearest scope that says it (Y1)', () => {
  const anyRule = fc.record({
    mode: fc.constantFrom(null, ...PolicyMode.options),
    maxChangesPerDay: fc.option(fc.integer({ min: 0, max: 9 })),
    autoKnobs: fc.option(fc.subarray([...Knob.options])),
  })
  fc.assert(
    fc.property(anyRule, anyRule, anyRule, (id, team, all) => {
      const rules = new Map([
        ['id=x.y', id],
        ['team=t', team],
        ['global', all],
      ])
      const effective = effectivePolicy(rules, 'x.y', 't')
      for (const part of ['mode', 'maxChangesPerDay', 'autoKnobs'] as const) {
        assert.deepEqual(effective[part], id[part] ?? team[part] ?? all[part] ?? DEFAULT_POLICY[part])
      }
    }),
  )
})

test('a scope that is none is refused in words', () => {
  for (const scope of ['global', 'team=a', 'id=orders.placed']) assert.equal(policyScopeProblem(scope), undefined)
  for (const scope of ['', 'all', 'team=', 'id=', 'id=Orders', 'id=mq.x', `team=${'x'.repeat(101)}`, 'TEAM=a']) {
    assert.equal(typeof policyScopeProblem(scope), 'string', scope)
  }
})
