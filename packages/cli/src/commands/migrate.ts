/**
 * `mq migrate ID`: move a live mQ ID to another cluster or shape; `mq migrate cancel N` undoes a migration, `mq migrate skip N` lets
 * groups go on without an old cluster that is gone.
 */

import type { ApiClient } from '@mq/api-client'
import { isMqErrorCode, type Migration, MqError, OnLostSource } from '@mq/contract'
import { sleep, systemDeps } from '@mq/contract/timing'
import type { Command } from 'commander'
import type { TargetFlags } from '../contexts.ts'
import { type ExitCode, exitCodeFor, exitCodes } from '../exit-codes.ts'
import { Exit } from '../failures.ts'
import { type Io, write } from '../io.ts'
import { migrationPlanText, migrationText, progressText } from '../migration-view.ts'
import { apiFor, checkMqId, type OutputFlags, wholeNumber, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'
import { startProgress } from '../progress.ts'

interface MigrateFlags extends OutputFlags, TargetFlags {
  readonly to?: string
  readonly partitions?: number
  readonly replication?: number
  readonly allowFewerCopies?: boolean
  readonly onLostSource?: OnLostSource
  readonly plan?: boolean
  readonly wait?: boolean
  readonly force?: boolean
}

const POLL_MS = 250
/** Sends may wait in these, and groups cannot go on in an epoch that is not open. */
const BEFORE_OPENING: ReadonlySet<Migration['state']> = new Set<Migration['state']>([
  'planned',
  'prepared',
  'sealing',
  'refusing',
  'sealed',
  'undoing',
])

export function migrateCommand(program: Command, io: Io): void {
  const command = program
    .command('migrate')
    .summary('move a live mQ ID to another cluster or partition count')
    .description(
      'Moves a live mQ ID: producers and consumers run on, nothing is lost and no key gets out of order. It can be cancelled (mq migrate cancel N) until a broker refuses data to the old topic.',
    )
    .usage('[options] <id> | cancel <number> | skip <number>')
    .argument('<id>', 'an mQ ID, or the word cancel or skip')
    .argument('[number]', 'with cancel: the migration to undo; with skip: the one whose groups go on')
    .option('--to <cluster>', 'cluster to move to (default: where it is)')
    .option('--partitions <count>', 'partitions there (default: as many as now)', wholeNumber(1, 10_000))
    .option('--replication <count>', 'copies of each record there', wholeNumber(1, 100))
    .option('--allow-fewer-copies', 'a cluster that holds fewer copies of each record than now is meant')
    .option(
      '--on-lost-source <policy>',
      'if the old cluster goes away before it is read: groups wait for it, or skip it and read it late (default: wait)',
      lostSource,
    )
    .option('--plan', 'only say what would be done')
    .option('--force', 'with cancel: do not wait for a new cluster that does not answer')
    .option('--wait', 'stay until every group read the old topic to its end')
  withExamples(withTarget(withOutput(command)), [
    ['mq migrate orders.placed --to cluster-b --plan', 'what it would do'],
    ['mq migrate orders.placed --to cluster-b --partitions 12', 'do it; returns when the new place is open'],
    ['mq migrate cancel 3', 'undo migration 3, if no broker refuses data yet'],
    ['mq migrate cancel 3 --force', 'the same, although the new cluster does not answer'],
    ['mq migrate skip 3', 'the old cluster is gone: let groups go on without the rest of it'],
  ]).action(async (text: string, number: string | undefined, flags: MigrateFlags) => {
    const asksMove = flags.to ?? flags.partitions ?? flags.replication
    // An mQ ID may be named cancel or skip, too.
    if (text === 'cancel' && asksMove === undefined) return cancel(io, number, flags)
    if (text === 'skip' && asksMove === undefined && flags.force !== true) return skip(io, number, flags)
    if (flags.force === true) throw new MqError('MQ_OPTION_INVALID', '--force belongs to mq migrate cancel')
    if (number !== undefined) throw new MqError('MQ_OPTION_INVALID', `'${number}' is one argument too many`)
    return migrate(io, checkMqId(text), flags)
  })
}

async function migrate(io: Io, id: string, flags: MigrateFlags): Promise<void> {
  const { to, partitions, replication, onLostSource } = flags
  if (to === undefined && partitions === undefined && replication === undefined) {
    throw new MqError('MQ_OPTION_INVALID', 'A migration needs --to, --partitions or --replication')
  }
  const api = apiFor(io, flags)
  const body = {
    ...(to === undefined ? {} : { to }),
    ...(partitions === undefined ? {} : { partitions }),
    ...(replication === undefined ? {} : { replication }),
    ...(flags.allowFewerCopies === true ? { allowFewerCopies: true } : {}),
    ...(onLostSource === undefined ? {} : { onLostSource }),
    plan: flags.plan === true,
  }
  const { plan, migration } = await api.call('migrate', { params: { id }, body }, { signal: io.interrupt })
  if (migration === null) {
    await print(io, flags.output, plan, (colors) => migrationPlanText(plan, colors))
    if (plan.refusal !== null) throw new Exit(refusedExitCode(plan.refusal.code))
    return
  }
  const last = await follow(io, api, migration, flags.wait === true)
  await print(io, flags.output, last, (colors) => migrationText(last, colors, Date.now()))
  if (last.state === 'failed' || last.state === 'cancelled' || last.state === 'stranded')
    throw new Exit(exitCodes.refused)
}

/** A plan that is refused exits as refused, unless what it names does not exist. */
function refusedExitCode(code: string): ExitCode {
  const isUnknown = isMqErrorCode(code) && exitCodeFor(code) === exitCodes.notFound
  return isUnknown ? exitCodes.notFound : exitCodes.refused
}

/** Looks until the new place is open, or with `untilDrained` until the old one is read to its end. */
async function follow(io: Io, api: ApiClient, begun: Migration, untilDrained: boolean): Promise<Migration> {
  const progress = startProgress(io, progressText(begun), { announce: true })
  try {
    let last = begun
    while (!isThrough(last, untilDrained)) {
      await sleep(systemDeps, POLL_MS, io.interrupt)
      const params = { number: String(begun.number) }
      last = await api.call('getMigration', { params }, { signal: io.interrupt })
      progress.update(progressText(last))
    }
    return last
  } finally {
    progress.stop()
  }
}

function isThrough({ state }: Migration, untilDrained: boolean): boolean {
  if (state === 'retired' || state === 'failed' || state === 'cancelled' || state === 'stranded') return true
  return !untilDrained && (state === 'open' || state === 'draining')
}

function lostSource(text: string): OnLostSource {
  const parsed = OnLostSource.safeParse(text)
  if (parsed.success) return parsed.data
  throw new MqError('MQ_OPTION_INVALID', `--on-lost-source is '${text}', not wait or skip`)
}

async function cancel(io: Io, text: string | undefined, flags: MigrateFlags): Promise<void> {
  const params = { number: migrationNumber(text) }
  const migration = await apiFor(io, flags).call(
    'cancelMigration',
    { params, ...(flags.force === true ? { query: { force: 'true' } } : {}) },
    callOptions(io),
  )
  await print(io, flags.output, migration, (colors) => migrationText(migration, colors, Date.now()))
}

/** Says what it changes: as a rule nothing that can be seen, because it takes effect only when the old cluster is away. */
async function skip(io: Io, text: string | undefined, flags: MigrateFlags): Promise<void> {
  const params = { number: migrationNumber(text) }
  const api = apiFor(io, flags)
  const before = await api.call('getMigration', { params }, callOptions(io))
  const after = await api.call('skipLostSource', { params }, callOptions(io))
  await print(io, flags.output, after, (colors) => migrationText(after, colors, Date.now()))
  await write(io.stderr, `${skipText(before)}\n`)
  if (before.state === 'stranded' || before.onLostSource === 'skip') throw new Exit(exitCodes.refused)
}

function skipText({ number, state, onLostSource, from }: Migration): string {
  if (state === 'stranded') {
    return `Nothing was changed: groups go on without the rest of epoch ${from.epoch} already.`
  }
  const already = onLostSource === 'skip' ? 'Nothing was changed, that was asked for already. ' : ''
  if (BEFORE_OPENING.has(state)) {
    return `${already}Groups will go on without the rest of epoch ${from.epoch} if cluster '${from.cluster}' stays away once the new epoch is open. It is not open yet (${state}): what waits now is not helped by that, see: mq migrations show ${number}`
  }
  return `${already}Groups go on without the rest of epoch ${from.epoch} when cluster '${from.cluster}' stays away; while it answers, migration ${number} waits for them as before.`
}

const callOptions = (io: Io) => ({ signal: io.interrupt, deadlineMs: 60_000 })

export function migrationNumber(text: string | undefined): string {
  if (text !== undefined && /^[1-9]\d{0,14}$/.test(text)) return text
  throw new MqError(
    'MQ_OPTION_INVALID',
    text === undefined ? 'Say which migration: its number from mq migrations' : `'${text}' is not a migration's number`,
  )
}
