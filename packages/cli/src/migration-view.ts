/** Migrations for people: what a migration would do, how far one is, and its report. */
import type { Migration, MigrationPlace, MigrationPlan, MigrationState, Spread } from '@mq/contract'
import type { Colors } from './io.ts'
import { fields, table } from './output.ts'
import { formatAge, formatCount, formatMs, plural } from './units.ts'

const MEANING: Record<MigrationState, string> = {
  planned: 'making the new topic and trying it',
  prepared: 'clients get ready for the new place',
  sealing: 'sealing the old topic',
  refusing: 'brokers begin to refuse data to the old topic',
  sealed: 'every broker is proven sealed',
  open: 'open in the new place; the old topic is watched',
  draining: 'groups read the old topic to its end',
  stranded: 'the old cluster is away; groups went on without the rest of the old topic',
  retired: 'done',
  undoing: 'being undone',
  cancelled: 'cancelled',
  failed: 'failed and undone',
}

/** What is said of an undone migration is what was looked at when it was undone. */
function meaningOf({ state, report }: Migration): string {
  if (state !== 'cancelled' && state !== 'failed') return MEANING[state]
  const check = report.verdict.checks[0]
  if (check === undefined) return MEANING[state]
  const holds = check.result === 'proven' ? '' : ` is ${check.result}: ${check.evidence}`
  return `${MEANING[state]}; ${check.claim}${holds}`
}

/** The state with what it means, not twice the same word. */
function stateText(migration: Migration): string {
  const meaning = meaningOf(migration)
  return meaning.startsWith(migration.state) ? meaning : `${migration.state}, ${meaning}`
}

export function placeText({ cluster, topic, partitions, replication }: MigrationPlace): string {
  return `${cluster}, topic ${topic}, ${plural(partitions, 'partition')}, ${plural(replication, 'copy', 'copies')}`
}

export function progressText(migration: Migration): string {
  const behind = migration.groups.filter(
    ({ drainedAtMs, goneAtMs, dropped }) => drainedAtMs === null && goneAtMs === null && dropped === null,
  )
  const groups =
    migration.state === 'draining' && behind.length > 0
      ? `: ${behind.map((group) => `${group.group} ${formatCount(Number(group.remaining))} to go`).join(', ')}`
      : ''
  const problem = migration.state === 'draining' && migration.problem !== null ? `; ${migration.problem.message}` : ''
  return `migration ${migration.number} of ${migration.mqId}: ${meaningOf(migration)}${groups}${problem}`
}

export function migrationPlanText(plan: MigrationPlan, colors: Colors): string {
  if (plan.refusal !== null || plan.from === null || plan.to === null) {
    return `${colors.red('refused')}  ${plan.mqId}: ${plan.refusal?.message ?? 'no reason given'} (${plan.refusal?.code ?? ''})`
  }
  return [
    `${colors.bold(plan.mqId)} would move`,
    `  from epoch ${plan.from.epoch}: ${placeText(plan.from)}`,
    `  to epoch ${plan.to.epoch}:   ${placeText(plan.to)}`,
    ...plan.checks.map(({ check, found }) => `  ${check}: ${found}`),
    ...plan.warnings.map((warning) => colors.yellow(`  warning: ${warning}`)),
    'Nothing of the mQ ID was touched.',
  ].join('\n')
}

export function migrationsText(migrations: readonly Migration[], colors: Colors, mq: string, nowMs: number): string {
  if (migrations.length === 0) return `No migrations yet. Plan one with: ${mq} migrate ID --to CLUSTER --plan`
  return table(
    [
      { head: 'NUMBER', align: 'right' },
      { head: 'ID' },
      { head: 'STATE' },
      { head: 'FROM' },
      { head: 'TO' },
      { head: 'CLOSED FOR', align: 'right' },
      { head: 'BEGUN' },
    ],
    migrations.map((one) => [
      String(one.number),
      one.mqId,
      one.state,
      `${one.from.cluster}/${one.from.partitions}`,
      `${one.to.cluster}/${one.to.partitions}`,
      orDash(one.report.closedMs),
      `${formatAge(nowMs - one.createdAtMs)} ago`,
    ]),
    colors,
  )
}

export function migrationText(migration: Migration, colors: Colors, nowMs: number): string {
  const { number, mqId, from, to, report, proofs, groups, stragglers, problem } = migration
  const parts = [
    `${colors.bold(`Migration ${number}`)} of ${mqId}: ${stateText(migration)}  ${colors.dim(`begun ${formatAge(nowMs - migration.createdAtMs)} ago by ${migration.actor}`)}`,
    ...(problem === null ? [] : [colors.red(`  ${problem.code}: ${problem.message}`)]),
    fields(
      [
        ['from', `epoch ${from.epoch} on ${placeText(from)}`],
        ['to', `epoch ${to.epoch} on ${placeText(to)}`],
        ['can be cancelled', migration.cancellable ? `yes: mq migrate cancel ${number}` : 'no'],
        ['if the old cluster goes away', migration.onLostSource === 'wait' ? 'groups wait for it' : 'groups go on'],
        ['closed for writes', orDash(report.closedMs)],
        ['write pause', spreadText(report.writePauseMs, 'producer')],
        ['consumer gap', spreadText(report.consumerGapMs, 'member')],
        ['records held and sent on', formatCount(report.handedOver)],
        ['seal proven after', orDash(report.sealMs)],
        ['prepared in', orDash(report.preparedMs)],
        ['read to the end in', orDash(report.drainedMs)],
        ['stragglers', stragglers.length === 0 ? 'none' : plural(stragglers.length, 'partition')],
      ],
      colors,
    ),
    section(`Verdict: ${report.verdict.result}`, verdictText(migration, colors), colors),
    section('Epochs', epochsText(migration, colors), colors),
    section('Steps', stepsText(migration, colors), colors),
  ]
  if (stragglers.length > 0) parts.push(section('Stragglers', stragglersText(migration, colors), colors))
  if (migration.foreignProducers.length > 0) {
    parts.push(section('Other producers before the seal', foreignText(migration, colors), colors))
  }
  if (migration.ledger.length > 0) parts.push(section('Ledger', ledgerText(migration, colors), colors))
  if (groups.length > 0) parts.push(section('Groups', groupsText(migration, colors), colors))
  if (proofs.length > 0) parts.push(section('Proofs', proofsText(migration, colors), colors))
  return parts.join('\n')
}

function verdictText({ report }: Migration, colors: Colors): string {
  const paint = { proven: colors.green, pending: colors.dim, broken: colors.red, unknown: colors.yellow }
  const { checks } = report.verdict
  return table(
    [{ head: 'CLAIM' }, { head: 'RESULT' }, { head: 'EVIDENCE' }],
    checks.map(({ claim, result, evidence }) => [claim, paint[result](result), evidence]),
    colors,
  )
}

/** What went in and what every group took out. */
function epochsText({ report }: Migration, colors: Colors): string {
  return table(
    [
      { head: 'EPOCH', align: 'right' },
      { head: 'IN', align: 'right' },
      { head: 'GROUP' },
      { head: 'OUT', align: 'right' },
      { head: 'TO GO', align: 'right' },
    ],
    report.epochs.flatMap(({ epoch, records, groups }) => {
      const into = records === null ? '-' : formatCount(Number(records))
      if (groups.length === 0) return [[String(epoch), into, '-', '-', '-']]
      return groups.map(({ group, committed, remaining }, at) => [
        at === 0 ? String(epoch) : '',
        at === 0 ? into : '',
        group,
        formatCount(Number(committed)),
        remaining === '0' ? 'none' : formatCount(Number(remaining)),
      ])
    }),
    colors,
  )
}

function stragglersText({ stragglers }: Migration, colors: Colors): string {
  return table(
    [
      { head: 'PARTITION', align: 'right' },
      { head: 'SEALED AT', align: 'right' },
      { head: 'GREW TO', align: 'right' },
    ],
    stragglers.map((one) => [String(one.partition), one.sealedEnd, one.seenEnd]),
    colors,
  )
}

function foreignText({ foreignProducers }: Migration, colors: Colors): string {
  return table(
    [{ head: 'PRODUCER ID', align: 'right' }, { head: 'EPOCH', align: 'right' }, { head: 'PARTITIONS' }],
    foreignProducers.map((one) => [one.producerId, String(one.producerEpoch), one.partitions.join(', ')]),
    colors,
  )
}

function ledgerText({ ledger }: Migration, colors: Colors): string {
  return table(
    [
      { head: 'GROUP' },
      { head: 'PARTITION', align: 'right' },
      { head: 'FROM', align: 'right' },
      { head: 'TO', align: 'right' },
      { head: 'GONE', align: 'right' },
      { head: 'STATE' },
    ],
    ledger.map((one) => [
      one.group,
      String(one.partition),
      one.from,
      one.to,
      one.gone,
      one.settledAtMs === null ? 'not read yet' : BigInt(one.gone) > 0n ? 'settled, with loss' : 'read late',
    ]),
    colors,
  )
}

function stepsText({ steps }: Migration, colors: Colors): string {
  return table(
    [{ head: 'STEP' }, { head: 'TOOK', align: 'right' }, { head: 'TRIED AGAIN', align: 'right' }, { head: 'FOUND' }],
    steps.map((step) => [
      step.step,
      step.endedAtMs === null ? '-' : formatMs(step.endedAtMs - step.startedAtMs),
      step.attempts === 0 ? '-' : String(step.attempts),
      step.problem ??
        Object.entries(step.result)
          .map(([name, value]) => `${name} ${plain(value)}`)
          .join(', '),
    ]),
    colors,
  )
}

function groupsText({ groups }: Migration, colors: Colors): string {
  return table(
    [{ head: 'GROUP' }, { head: 'MEMBERS', align: 'right' }, { head: 'TO GO', align: 'right' }, { head: 'STATE' }],
    groups.map((one) => [
      one.group,
      String(one.members),
      one.remaining === '0' ? 'none' : formatCount(Number(one.remaining)),
      groupState(one),
    ]),
    colors,
  )
}

function groupState(group: Migration['groups'][number]): string {
  const { kind, members, clients, remaining, drainedAtMs, silentSinceMs, goneAtMs, dropped } = group
  const of = kind === 'mq' ? '' : `not of mQ${clients.length === 0 ? '' : ` (${clients.slice(0, 3).join(', ')})`}, `
  if (dropped !== null) return `${of}dropped by ${dropped.actor}`
  if (goneAtMs !== null) return `${of}deleted by somebody`
  if (drainedAtMs !== null) return `${of}done`
  if (members === 0) {
    return silentSinceMs === null
      ? `${of}no member`
      : `${of}no member, silent since ${new Date(silentSinceMs).toISOString()}`
  }
  return remaining === '0' ? `${of}has read all and still reads` : `${of}reads`
}

function proofsText({ proofs }: Migration, colors: Colors): string {
  return table(
    [
      { head: 'PARTITION', align: 'right' },
      { head: 'LEADER', align: 'right' },
      { head: 'LEADER EPOCH', align: 'right' },
      { head: 'END', align: 'right' },
    ],
    proofs.map((one) => [String(one.partition), String(one.leader), String(one.leaderEpoch), one.endOffset]),
    colors,
  )
}

function section(title: string, text: string, colors: Colors): string {
  return `\n${colors.bold(title)}\n${text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')}`
}

const orDash = (ms: number | null): string => (ms === null ? '-' : formatMs(ms))
const spreadText = (spread: Spread | null, who: string): string =>
  spread === null
    ? 'not reported'
    : `p50 ${formatMs(spread.p50)}, p99 ${formatMs(spread.p99)}, max ${formatMs(spread.max)} over ${plural(spread.count, who)}`
const plain = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
