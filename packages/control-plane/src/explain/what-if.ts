/**
 * Answers what would be under other requirements or another workload. Pure: nothing is touched (X2).
 *
 * H1. What is asked is checked as an intent, as if somebody declared it: requirements that collide are refused in the same words.
 * H2. Where the partitions in force cannot carry what is asked, more are looked at: each is a migration, and the answer shows the count.
 * H3. A question is answered from whatever traffic there was, and says how little that is: nothing follows from the answer by itself.
 */
import { describeIssues, formatDurationMs, Intent, MqError, type WhatIf, type WhatIfAnswer } from '@mq/contract'
import { DEFAULT_EVIDENCE, type Evidence, type Workload } from '@mq/economics'
import { explainWith, type Subject, workloadOfSubject } from './explain.ts'

const MOST_PARTITIONS = 256
/** H3 */
const ANY_EVIDENCE: Evidence = { minMs: 0, minRecords: 0 }

export function whatIf(subject: Subject, asked: WhatIf): WhatIfAnswer {
  const { active } = subject
  const standing = active.spec.intent
  const intent = intentOf(standing, asked)
  const { workload, assumptions } = workloadOfSubject(subject)
  const other = workloadWith(workload, intent, asked)
  const before = explainWith(subject, { intent: standing, workload, assumptions })
  const question = { intent, workload: other, assumptions: [...assumptions, ...thin(workload)], evidence: ANY_EVIDENCE }
  let after = explainWith(subject, question)
  if (after.outcome.constraint === 'partition-rate') {
    const more = doublings(before.current.configuration.partitions)
    if (more.length > 0) after = explainWith(subject, { ...question, partitions: more })
  }
  return { id: active.id, asked: changesOf(standing, workload, asked), before, after }
}

/** H1 */
function intentOf(before: Intent, asked: WhatIf): Intent {
  const { latencyP99Ms, acknowledgedWithinMs, retention, ordering, budgetUsdPerMonth } = asked
  const merged = {
    ...before,
    ...(latencyP99Ms === undefined ? {} : { latencyP99Ms }),
    ...(acknowledgedWithinMs === undefined ? {} : { acknowledgedWithinMs }),
    ...(retention === undefined ? {} : { retention }),
    ...(ordering === undefined ? {} : { ordering }),
    ...(budgetUsdPerMonth === undefined ? {} : { budgetUsdPerMonth }),
  }
  const parsed = Intent.safeParse(merged)
  if (parsed.success) return parsed.data
  throw new MqError('MQ_INTENT_INVALID', describeIssues(parsed.error).join('; '))
}

function workloadWith(workload: Workload, intent: Intent, asked: WhatIf): Workload {
  const recordBytes = asked.messageBytes ?? workload.recordBytes
  const resized = recordBytes !== workload.recordBytes
  return {
    ...workload,
    recordsPerSecond: asked.messagesPerSecond ?? workload.recordsPerSecond,
    peakMultiple: asked.peak ?? workload.peakMultiple,
    recordBytes,
    framedBytes: workload.framedBytes + recordBytes - workload.recordBytes,
    keyed: workload.keyed && intent.ordering === 'key',
    // Curves were measured on records of another size: the shapes stay, the bytes do not.
    curves: resized ? [] : workload.curves,
    retainedBytes: asked.retention === undefined ? workload.retainedBytes : null,
  }
}

/** H3 */
function thin({ source, observedMs, records }: Workload): string[] {
  const { minMs, minRecords } = DEFAULT_EVIDENCE
  return source === 'assumed' || (observedMs >= minMs && records >= minRecords)
    ? []
    : [
        `only ${number(records)} messages in ${formatDurationMs(Math.round(observedMs))} were seen: too little to decide by`,
      ]
}

function doublings(partitions: number): number[] {
  const counts: number[] = []
  for (let count = partitions * 2; count <= MOST_PARTITIONS; count *= 2) counts.push(count)
  return counts
}

function changesOf(before: Intent, workload: Workload, asked: WhatIf): WhatIfAnswer['asked'] {
  const retention = (one: Intent['retention']): string =>
    one.policy === 'time' ? formatDurationMs(one.durationMs) : one.policy
  const list: WhatIfAnswer['asked'] = []
  const note = (requirement: string, was: string, is: string | undefined): void => {
    if (is !== undefined) list.push({ requirement, before: was, after: is })
  }
  note(
    'latency p99',
    formatDurationMs(before.latencyP99Ms),
    asked.latencyP99Ms === undefined ? undefined : formatDurationMs(asked.latencyP99Ms),
  )
  note(
    'acknowledged p99',
    before.acknowledgedWithinMs === undefined ? 'not asked for' : formatDurationMs(before.acknowledgedWithinMs),
    asked.acknowledgedWithinMs === undefined ? undefined : formatDurationMs(asked.acknowledgedWithinMs),
  )
  note('retention', retention(before.retention), asked.retention === undefined ? undefined : retention(asked.retention))
  note(
    'peak',
    `${number(workload.peakMultiple)} times`,
    asked.peak === undefined ? undefined : `${number(asked.peak)} times`,
  )
  note(
    'messages a second',
    number(workload.recordsPerSecond),
    asked.messagesPerSecond === undefined ? undefined : number(asked.messagesPerSecond),
  )
  note(
    'bytes a message',
    number(workload.recordBytes),
    asked.messageBytes === undefined ? undefined : number(asked.messageBytes),
  )
  note('ordering', before.ordering, asked.ordering)
  note(
    'budget',
    before.budgetUsdPerMonth === undefined ? 'none' : `${before.budgetUsdPerMonth} USD/month`,
    asked.budgetUsdPerMonth === undefined ? undefined : `${asked.budgetUsdPerMonth} USD/month`,
  )
  return list
}

function number(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US')
}
