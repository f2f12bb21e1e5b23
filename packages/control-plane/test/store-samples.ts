/**
 * Rows of every kind, as a control plane writes them: an mQ ID that was moved on fake clusters, and what stands beside it.
 */
import type { TestContext } from 'node:test'
import { DecisionRecord } from '@mq/autopilot'
import { type GroupChange, PolicyRule, type Twin } from '@mq/contract'
import type { CostHour } from '../src/cost/cost-hour.ts'
import type { GroupChangeRow } from '../src/groups/change-row.ts'
import type { MigrationRecord } from '../src/migration/record.ts'
import type { ClusterRecord, IdRecord } from '../src/registry/records.ts'
import type { BudgetRecord } from '../src/store/ports/budgets.ts'
import type { NewEntry } from '../src/store/ports/journal.ts'
import { declare, ID, makeWorld, over, readToEnd, start, until } from './migration-on-fakes.ts'

export interface Samples {
  /** On its second epoch. */
  readonly id: IdRecord
  readonly cluster: ClusterRecord
  /** Over, with steps. */
  readonly migration: MigrationRecord
}

export async function realRows(t: TestContext): Promise<Samples> {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 6 })
  await until(plane, ['draining'])
  readToEnd(world.a, `${ID}.e1`)
  await over(plane)
  const samples = {
    id: plane.registry.get(ID)!,
    cluster: plane.registry.cluster('a')!,
    migration: await plane.migrations.find(1),
  }
  await plane.close()
  return samples
}

const outcome = {
  usdPerMonth: 12.5,
  usdPerMillionRecords: 0.25,
  sendP99Ms: 20,
  endToEndP99Ms: 50,
  wireBytesPerRecord: 100,
  recordsPerBatch: 10,
}

export const decision: Omit<DecisionRecord, 'number'> = (() => {
  const { number: _number, ...rest } = DecisionRecord.parse({
    number: 1,
    mqId: ID,
    kind: 'partitions',
    state: 'proposed',
    loop: 'placement',
    title: 'fewer partitions',
    why: 'they cost',
    change: { kind: 'partitions', before: { cluster: 'a', partitions: 12 }, after: { cluster: 'a', partitions: 6 } },
    choices: [{ setting: 'partitions', value: '6', reason: 'enough for its readers' }],
    evidence: [],
    alternatives: [],
    before: outcome,
    predicted: outcome,
    measuredBefore: null,
    measured: null,
    predictionError: null,
    savingUsdPerMonth: 3,
    costOfChangeUsd: 0,
    assumptions: ['prices were assumed'],
    policy: 'approve',
    trial: null,
    trialComparisons: [],
    watchComparisons: [],
    guardrails: [],
    status: 'waits for a yes',
    undo: null,
    migration: null,
    revision: null,
    approvedBy: null,
    steps: [{ atMs: 5, state: 'proposed', event: 'propose', actor: 'mq', note: 'proposed' }],
    createdAtMs: 5,
    updatedAtMs: 6,
    endedAtMs: null,
    work: {
      intent: '{}',
      epoch: 1,
      choicesBefore: [],
      baseline: [],
      baselineP99Ms: null,
      lagBefore: 7,
      recordsPerSecond: 100,
      sendP99LimitMs: 25,
      predictedRatio: 0.8,
      looks: 0,
      turn: null,
      stored: { atMs: 4, records: '9007199254740993' },
      trialChange: null,
      appliedAtMs: null,
      undo: null,
      undoMigration: null,
    },
  })
  return rest
})()

export const twin: Omit<Twin, 'number'> = {
  mqId: ID,
  cluster: 'a',
  state: 'running',
  why: 'asked for',
  actor: 'api',
  request: { top: 1, seconds: 1, rounds: 1 },
  done: 1,
  of: 3,
  ranking: [],
  assumptions: ['none'],
  calibrated: false,
  problem: null,
  startedAtMs: 1,
  endedAtMs: null,
}

const change: GroupChange = {
  number: null,
  mqId: ID,
  group: 'billing',
  foreign: false,
  action: { kind: 'to-earliest' },
  partition: null,
  epoch: null,
  actor: 'api',
  state: 'waiting',
  createdAtMs: 3,
  endedAtMs: null,
  isLive: true,
  members: [],
  moves: [],
  readAgain: 0,
  skipped: 0,
  readAgainTimes: null,
  skippedTimes: null,
  notes: [],
  problem: null,
}

export const groupChange: Omit<GroupChangeRow, 'number'> = {
  view: change,
  groupId: `billing@${ID}`,
  epochs: [1, 2],
  targets: null,
  heldAtMs: null,
  attempt: 0,
}

export const costHour: CostHour = {
  cluster: 'a',
  startMs: 7_200_000,
  resolutionMs: 3_600_000,
  priceBook: 'aws-us-east-1',
  priceVersion: '1',
  watchedMs: 3_599_000,
  modelledUsd: 0.1,
  billedUsd: 0.123_456_789_012_345_6,
  lines: [{ id: ID, team: 'shop', service: 'api', meter: 'not-modelled', kind: 'own', usd: 0.1 }],
}

export const policy: PolicyRule = PolicyRule.parse({ mode: 'observe', maxChangesPerDay: 2, autoKnobs: null })
export const budget: BudgetRecord = { scope: 'team=shop', usdPerMonth: 100.5, setBy: 'api', setAtMs: 9 }
export const entry: NewEntry = {
  kind: 'create',
  subject: ID,
  actor: 'api',
  why: 'asked for',
  before: null,
  after: { epochs: [1] },
}
