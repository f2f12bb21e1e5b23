/**
 * The report of a migration: what went into both epochs and came out, how long it took, and what is proven by what.
 *
 * R1. Nothing is claimed that was not observed. What the control plane cannot observe is `unknown`, with the reason.
 * R2. Offsets stand for records; with transactions there are a few more of them, so the two ends may differ by markers only.
 */
import type { EpochTally, MigrationReport, MigrationStepName, Spread, VerdictCheck } from '@mq/contract'
import { Sketch } from '../telemetry/sketch.ts'
import { foreignText } from './foreign.ts'
import { isEnd } from './machine.ts'
import { type ClientTally, type MigrationRecord, stepOf, tenths } from './record.ts'

export function reportOf(record: MigrationRecord): MigrationReport {
  const { data, createdAtMs, endedAtMs } = record
  const times = (step: MigrationStepName): { begun: number | null; done: number | null } => {
    const found = stepOf(record, step)
    return { begun: found?.startedAtMs ?? null, done: found?.endedAtMs ?? null }
  }
  const span = (from: number | null, to: number | null): number | null =>
    from === null || to === null ? null : to - from
  const sealMs = stepOf(record, 'seal')?.result.provenMs
  const refusedAtMs = stepOf(record, 'seal')?.result.refusedAtMs
  const opened = times('open').done
  const lastDrain = data.groups.every((group) => group.drainedAtMs !== null)
    ? Math.max(...data.groups.map((group) => group.drainedAtMs ?? 0), opened ?? 0)
    : null
  return {
    recordsSealed: String(sum(data.endOffsets ?? [])),
    sealMs: typeof sealMs === 'number' ? sealMs : null,
    closedMs: span(typeof refusedAtMs === 'number' ? refusedAtMs : times('seal').begun, opened),
    preparedMs: span(times('prepare').begun, times('warm').done),
    drainedMs: times('drain').done === null ? null : span(opened, lastDrain),
    totalMs: span(createdAtMs, endedAtMs),
    epochs: [oldTally(record), newTally(record)],
    writePauseMs: spreadOf(data.moves?.pausesUs, data.moves?.pauseMaxMs),
    consumerGapMs: spreadOf(data.moves?.gapsUs, data.moves?.gapMaxMs),
    handedOver: data.moves?.handedOver ?? 0,
    foundInLog: data.moves?.found ?? 0,
    uncertain: data.moves?.uncertain ?? 0,
    verdict: verdictOf(record),
  }
}

function oldTally(record: MigrationRecord): EpochTally {
  const { data, from } = record
  const { endOffsets, startOffsets } = data
  const starts = startOffsets ?? []
  return {
    epoch: from.epoch,
    records: endOffsets === null || startOffsets === null ? null : String(sum(endOffsets) - sum(starts)),
    atMs: stepOf(record, 'open')?.endedAtMs ?? null,
    groups: data.groups.map(({ group, remaining }) => ({
      group,
      committed: String((data.positions[group] ?? []).reduce((all, at, index) => all + past(at, starts[index]), 0n)),
      remaining,
    })),
  }
}

/** Positions before the first offset there was at the opening count as nothing. */
function past(position: string, start: string | undefined): bigint {
  const read = BigInt(position) - BigInt(start ?? '0')
  return read > 0n ? read : 0n
}

function newTally({ data, to }: MigrationRecord): EpochTally {
  const { newEnds, newGroups } = data
  const end = newEnds === null ? null : sum(newEnds.offsets)
  return {
    epoch: to.epoch,
    records: end === null ? null : String(end),
    atMs: newEnds?.atMs ?? null,
    groups: Object.entries(newGroups).map(([group, committed]) => {
      const left = (end ?? 0n) - BigInt(committed)
      return { group, committed, remaining: String(left > 0n ? left : 0n) }
    }),
  }
}

function spreadOf(entries: ClientTally['pausesUs'] | undefined, max: number | undefined): Spread | null {
  if (entries === undefined || max === undefined) return null
  const sketch = new Sketch()
  for (const [valueUs, count] of entries) sketch.add(valueUs, count)
  const [p50, p99] = [sketch.quantileMs(0.5), sketch.quantileMs(0.99)]
  if (p50 === null || p99 === null) return null
  return { count: sketch.total, p50: tenths(Math.min(p50, max)), p99: tenths(Math.min(p99, max)), max: tenths(max) }
}

function verdictOf(record: MigrationRecord): MigrationReport['verdict'] {
  const { state } = record
  if (state === 'undoing' || state === 'cancelled' || state === 'failed') {
    const check = undoneCheck(record)
    return { result: check.result === 'broken' ? 'broken' : 'undone', checks: [check] }
  }
  const checks = [endCheck(record), readCheck(record), orderCheck(record), sendCheck(record), writersCheck(record)]
  const results = new Set(checks.map(({ result }) => result))
  return { result: results.has('broken') ? 'broken' : isEnd(state) ? 'held' : 'pending', checks }
}

function undoneCheck(record: MigrationRecord): VerdictCheck {
  const { data, from, state } = record
  const claim = `epoch ${from.epoch} takes records as before`
  if (state === 'undoing') return { claim, result: 'pending', evidence: 'it is being undone' }
  const again = data.lateSeals > 0 ? `; a late request for the seal was taken back ${data.lateSeals} times` : ''
  const { limit, askedLeaders: asked, openLeaders: open } = stepOf(record, 'undo')?.result ?? {}
  if (typeof limit !== 'string' || typeof asked !== 'number' || typeof open !== 'number') {
    return {
      claim,
      result: 'unknown',
      evidence: `the size limit of ${from.topic} could not be looked at afterwards${again}`,
    }
  }
  const found = `max.message.bytes of ${from.topic} is ${limit} and was ${data.sizeLimit} before`
  if (limit !== data.sizeLimit) {
    const result = BigInt(limit) < BigInt(data.sizeLimit) ? 'broken' : 'unknown'
    return { claim, result, evidence: `${found}: somebody changed it${again}` }
  }
  if (asked === 0) return { claim, result: 'proven', evidence: `the seal was never asked for, and ${found}${again}` }
  const answered = `${open} of ${asked} leaders answered a probe as one that takes records, after the seal was taken back`
  return { claim, result: open === asked ? 'proven' : 'unknown', evidence: `${answered}; ${found}${again}` }
}

function endCheck(record: MigrationRecord): VerdictCheck {
  const { data, from } = record
  const claim = `nothing was added to epoch ${from.epoch} after its end`
  const { proofs, stragglers, endOffsets } = data
  if (stragglers.length > 0) {
    const partitions = new Set(stragglers.map(({ partition }) => partition)).size
    return {
      claim,
      result: 'broken',
      evidence: `${partitions} of ${endOffsets?.length ?? from.partitions} partitions grew; see stragglers`,
    }
  }
  if (endOffsets === null) return { claim, result: 'pending', evidence: 'it is not sealed yet' }
  if (data.replaced !== null) return { claim, result: 'unknown', evidence: data.replaced }
  const more = endOffsets.length - from.partitions
  const added =
    more > 0 ? `; the topic has ${more} partitions more than mQ made, which were sealed and read as well` : ''
  const proven = `${proofs.length} of ${endOffsets.length} leaders refused a probe under the leader epoch in which their end was read${added}`
  const watched = stepOf(record, 'watch')
  if (watched?.endedAtMs == null) return { claim, result: 'pending', evidence: `${proven}; it is being watched` }
  const { looks, missed } = watched.result
  if (looks === 0) {
    const blind = `${proven}; the cluster was away for all ${String(missed)} looks after the opening`
    // Who drains begins with a look of the same kind.
    const isLookedAt =
      stepOf(record, 'drain')?.endedAtMs != null && data.ledger.length === 0 && data.sourceGone === null
    if (isLookedAt) return { claim, result: 'proven', evidence: `${blind}, and had not grown when it was back` }
    return { claim, result: isEnd(record.state) ? 'unknown' : 'pending', evidence: blind }
  }
  const seen = `${String(looks)} looks in ${watched.endedAtMs - watched.startedAtMs} ms after the opening saw no growth`
  const unseen = typeof missed === 'number' && missed > 0 ? `; the cluster was away for ${missed} more` : ''
  return { claim, result: 'proven', evidence: `${proven}; ${seen}${unseen}` }
}

function readCheck(record: MigrationRecord): VerdictCheck {
  const { data, from, state } = record
  const { ledger, groups, replaced } = data
  const but = groups.some(({ dropped }) => dropped !== null) ? ' that was not dropped by a person' : ''
  const claim = `every group${but} gets all of epoch ${from.epoch}`
  if (replaced !== null) {
    return {
      claim,
      result: 'broken',
      evidence: `${replaced}: what groups had not read of it is gone, and how much that was is not known`,
    }
  }
  const gone = ledger.reduce((all, range) => all + BigInt(range.gone), 0n)
  if (gone > 0n) {
    return {
      claim,
      result: 'broken',
      evidence: `${gone} offsets are gone with cluster '${from.cluster}'; see the ledger`,
    }
  }
  const open = ledger.filter(({ settledAtMs }) => settledAtMs === null)
  if (open.length > 0) {
    const left = open.reduce((all, range) => all + BigInt(range.to) - BigInt(range.from), 0n)
    const when = state === 'stranded' ? `wait for cluster '${from.cluster}' to come back` : 'are being read late'
    return { claim, result: 'pending', evidence: `${left} offsets ${when}; see the ledger` }
  }
  const out = outText(groups)
  if (!isEnd(state)) {
    const done = groups.filter(({ drainedAtMs }) => drainedAtMs !== null).length
    return { claim, result: 'pending', evidence: `${done} of ${groups.length} groups committed its end${out}` }
  }
  const drain = stepOf(record, 'drain')
  if (drain?.endedAtMs == null) {
    return { claim, result: 'unknown', evidence: 'the mQ ID was deleted before groups had read it' }
  }
  const late = ledger.length > 0 ? `, ${ledger.length} ranges of it late` : ''
  if (drain.result.expired === true && groups.some(({ drainedAtMs }) => drainedAtMs === null)) {
    return { claim, result: 'unknown', evidence: 'its records expired before every group had read them' }
  }
  if (groups.length === 0) {
    return drain.result.expired === true
      ? { claim, result: 'proven', evidence: 'no group read it, and its records expired' }
      : { claim, result: 'unknown', evidence: 'no group was seen to read it' }
  }
  const drained = groups.filter(({ drainedAtMs }) => drainedAtMs !== null)
  const evidence = `${drained.length} of ${groups.length} groups committed the end of every partition${late}${out}`
  const isOut = groups.some(({ goneAtMs, remaining }) => goneAtMs !== null && remaining !== '0')
  if (isOut || drained.length + groups.filter(({ dropped }) => dropped !== null).length < groups.length) {
    return { claim, result: 'unknown', evidence }
  }
  return { claim, result: drained.length === 0 ? 'unknown' : 'proven', evidence }
}

/** Groups that did not get all of it, and why. */
function outText(groups: MigrationRecord['data']['groups']): string {
  const told = groups.flatMap(({ group, remaining, goneAtMs, dropped }) => {
    if (dropped !== null)
      return [`group '${group}' was dropped by ${dropped.actor} with ${dropped.remaining} records to read`]
    return goneAtMs === null
      ? []
      : [`group '${group}' was deleted by somebody, with ${remaining} records to read when it was last seen`]
  })
  return told.map((text) => `; ${text}`).join('')
}

function orderCheck({ data, from }: MigrationRecord): VerdictCheck {
  const claim = 'records of one key were handled in order across the migration'
  if (data.ledger.length > 0) {
    const evidence = `groups went on without the rest of epoch ${from.epoch}, as was asked, and got it late: at least once, not in order`
    return { claim, result: 'broken', evidence }
  }
  const evidence =
    'clients hold a partition back until the old ones that can hold its keys are committed; the control plane sees positions, not handlers'
  return { claim, result: 'unknown', evidence }
}

function sendCheck({ data, state }: MigrationRecord): VerdictCheck {
  const claim = 'no send failed for the migration'
  const { moves, writers } = data
  if (moves === null || moves.reporters.length + moves.untold === 0) {
    const result = isEnd(state) ? 'unknown' : 'pending'
    const failed =
      moves === null || moves.errors === 0
        ? ''
        : `; ${moves.errors} records failed meanwhile, and clients do not say why`
    return { claim, result, evidence: `no producer has reported the migration; one that is idle says nothing${failed}` }
  }
  const producers = moves.pausesUs.reduce((all, [, count]) => all + count, 0)
  const told = `${producers} producers went over, with ${moves.handedOver} held records and ${moves.found} found in the sealed log`
  if (moves.failed > 0) {
    return { claim, result: 'broken', evidence: `${told}; sends of ${moves.failed} records failed in the pause` }
  }
  if (moves.uncertain > 0) {
    return {
      claim,
      result: 'broken',
      evidence: `${told}; of ${moves.uncertain} nobody can tell, and their senders know`,
    }
  }
  const missing: string[] = []
  if (moves.errors > 0) missing.push(`${moves.errors} records failed meanwhile, and clients do not say why`)
  if (moves.untold > 0) missing.push(`${moves.untold} clients are too old to tell how many sends failed in the pause`)
  if (writers === null)
    missing.push('the control plane had not run for long enough to know every client that wrote before the seal')
  const silent = (writers ?? []).filter((instance) => !moves.reporters.includes(instance))
  if (silent.length > 0) {
    const names = `${silent.slice(0, 5).join(', ')}${silent.length > 5 ? ', ...' : ''}`
    missing.push(
      `${silent.length} of ${writers?.length} clients that wrote before the seal did not report it (${names})`,
    )
  }
  if (missing.length > 0) {
    return {
      claim,
      result: isEnd(state) || moves.errors > 0 ? 'unknown' : 'pending',
      evidence: `${told}; ${missing.join('; ')}`,
    }
  }
  const all = `${told}; every client that wrote in the minute before the seal reported it, and none of them failed a send`
  return { claim, result: 'proven', evidence: all }
}

function writersCheck({ data }: MigrationRecord): VerdictCheck {
  const claim = 'only clients of mQ write to it'
  const blind = 'Kafka keeps no trace of producers that are not idempotent'
  if (data.foreignUnknown !== null) return { claim, result: 'unknown', evidence: `${data.foreignUnknown}; ${blind}` }
  if (data.foreign.length === 0) return { claim, result: 'unknown', evidence: `none other was seen; ${blind}` }
  return {
    claim,
    result: 'unknown',
    evidence: `${foreignText(data.foreign)} wrote before the seal: another program, or a client of mQ that ended before it could report; ${blind}`,
  }
}

const sum = (offsets: readonly string[]): bigint => offsets.reduce((all, offset) => all + BigInt(offset), 0n)
