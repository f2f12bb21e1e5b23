/** Decisions for people: what, why, what it was to bring and what it brought, and how to undo it. */
import type { WholeList } from '@mq/api-client'
import type {
  Comparison,
  Decision,
  DecisionState,
  EffectivePolicy,
  Outcome,
  Outlook,
  RouteResponse,
} from '@mq/contract'
import type { Colors } from './io.ts'
import { type Column, fields, table, wrap } from './output.ts'
import { formatAge, formatCount, formatMs, plural } from './units.ts'

/** Columns below which a table leaves out what another command shows. */
const NARROW = 110

const MEANING: Record<DecisionState, string> = {
  proposed: 'a recommendation; nothing is done',
  waiting: 'waits for a person',
  approved: 'waits for its turn',
  trial: 'on trial with a few instances',
  applying: 'being made true for all',
  watching: 'made for all, being measured',
  kept: 'it stands for all, and was measured to pay',
  undoing: 'being undone',
  undone: 'undone; everything is as it was',
  rejected: 'turned down; nothing was touched',
  expired: 'nobody answered in time; nothing was touched',
  superseded: 'something else took its place',
  failed: 'failed',
}

/** Few digits, and enough of them to see something: `1,240 USD`, `12.4 USD`, `0.0031 USD`. */
export function usdText(usd: number | null): string {
  if (usd === null) return '-'
  const size = Math.abs(usd)
  if (size >= 100) return `${formatCount(usd)} USD`
  if (size >= 0.1 || size === 0) return `${usd.toFixed(2)} USD`
  return `${Number(usd.toPrecision(2))} USD`
}

export function shareText(share: number | null): string {
  if (share === null || !Number.isFinite(share)) return '-'
  const percent = share * 100
  const text = Math.abs(percent) < 10 ? percent.toFixed(1) : percent.toFixed(0)
  return `${share > 0 ? '+' : ''}${text} %`
}

/** `kept, it stands for all`; a meaning that begins with the word of the state stands alone. */
function stateMeaning(state: DecisionState, colors: Colors): string {
  const meaning = MEANING[state]
  return meaning.startsWith(state)
    ? meaning.replace(state, stateText(state, colors))
    : `${stateText(state, colors)}, ${meaning}`
}

const stateText = (state: DecisionState, colors: Colors): string =>
  state === 'kept' ? colors.green(state) : state === 'undone' || state === 'failed' ? colors.red(state) : state

const FIRST = 3

export function decisionsText(
  { autopilot, decisions, outlooks }: WholeList<'listDecisions'>,
  colors: Colors,
  mq: string,
  nowMs: number,
  width: number,
  id: string | undefined,
): string {
  const off = autopilot
    ? []
    : [colors.yellow(`The autopilot is off: nothing is begun. Turn it on with: ${mq} autopilot on`), '']
  const list =
    decisions.length === 0
      ? [`No decisions${id === undefined ? '' : ` about ${id}`} yet.`]
      : [decisionsTable(decisions, colors, nowMs, width)]
  const waiting = decisions.filter(({ state }) => state === 'waiting' || state === 'proposed')
  const next = waiting.slice(0, 3).map(({ number }) => `${mq} approve ${number}`)
  return [
    ...off,
    ...list,
    ...(next.length === 0 ? [] : ['', `Let one go on with: ${next.join(', or ')}`]),
    ...explainedText(waiting, mq, width),
    ...outlooksText(outlooks, colors, id),
  ].join('\n')
}

/** The first decisions of an installation that asks: what each would do and why, and how to be asked no more. */
function explainedText(waiting: readonly Decision[], mq: string, width: number): string[] {
  const asked = waiting.filter(({ state, policy }) => state === 'waiting' && policy === 'approve').slice(0, FIRST)
  if (asked.length === 0) return []
  return [
    '',
    ...asked.flatMap(({ number, mqId, why }) => wrap(`${number} (${mqId}): ${why}`, Math.min(width, 118))),
    ...wrap(
      `Each is tried on some instances first and undone when it does not pay. ${mq} decision show NUMBER tells all of it; ${mq} policy set global --mode auto lets mQ go on by itself.`,
      Math.min(width, 118),
    ),
  ]
}

/** On a narrow terminal what was predicted and when it began are left to `decision show`. */
function decisionsTable(decisions: readonly Decision[], colors: Colors, nowMs: number, width: number): string {
  const isNarrow = width < NARROW
  const wide = <T>(...cells: readonly T[]): readonly T[] => (isNarrow ? [] : cells)
  return table(
    [
      { head: 'NO.', align: 'right' },
      { head: 'ID' },
      { head: 'STATE' },
      { head: 'SAVES A MONTH', align: 'right' },
      ...wide<Column>({ head: 'PREDICTED', align: 'right' }),
      { head: 'MEASURED', align: 'right' },
      ...wide<Column>({ head: 'BEGUN', align: 'right' }),
      { head: 'WHAT' },
    ],
    decisions.map((one) => [
      String(one.number),
      one.mqId,
      stateText(one.state, colors),
      savedText(one),
      ...wide(changeOf(one.before, one.predicted)),
      changeOf(one.measuredBefore, one.measured),
      ...wide(`${formatAge(nowMs - one.createdAtMs)} ago`),
      one.title,
    ]),
    colors,
    width,
  )
}

/** Why nothing is proposed: of one mQ ID all of it, of all of them a count. */
function outlooksText(outlooks: readonly Outlook[], colors: Colors, id: string | undefined): string[] {
  const quiet = outlooks.filter(({ state }) => state !== 'proposed')
  if (quiet.length === 0) return []
  if (id !== undefined) return ['', ...quiet.map(({ loop, reason }) => `${colors.dim(`${loop}:`)} ${reason}`)]
  const counts = new Map<string, number>()
  for (const { loop, state } of quiet) if (loop === 'tuning') counts.set(state, (counts.get(state) ?? 0) + 1)
  if (counts.size === 0) return []
  const parts = [...counts].map(([state, count]) => `${count} ${state.replaceAll('-', ' ')}`)
  return ['', colors.dim(`Nothing is proposed for: ${parts.join(', ')}. The reason for one: mq decisions ID`)]
}

/** Both sides at the traffic of the later one: what a month saves must not go with how busy it was. Null before it was measured. */
function measuredSaving({ measuredBefore, measured }: Decision): number | null {
  const [was, is] = [measuredBefore?.usdPerMillionRecords ?? null, measured?.usdPerMillionRecords ?? null]
  const usdPerMonth = measured?.usdPerMonth ?? null
  return was === null || is === null || is <= 0 || usdPerMonth === null ? null : usdPerMonth * (was / is - 1)
}

function savedText(decision: Decision): string {
  const measured = measuredSaving(decision)
  return measured === null ? `${usdText(decision.savingUsdPerMonth)} predicted` : `${usdText(measured)} measured`
}

function changeOf(before: Outcome | null, after: Outcome | null): string {
  const [was, is] = [before?.usdPerMillionRecords ?? null, after?.usdPerMillionRecords ?? null]
  return was === null || is === null || was <= 0 ? '-' : shareText(is / was - 1)
}

export function decisionText(decision: Decision, colors: Colors, nowMs: number, width: number): string {
  const { number, mqId, state, title, kind } = decision
  // A repair may cost more than what stood.
  const isDearer = (decision.savingUsdPerMonth ?? 0) < 0
  const measured = measuredSaving(decision)
  const parts = [
    `${colors.bold(`Decision ${number}`)} about ${mqId}: ${stateMeaning(state, colors)}  ${colors.dim(`begun ${formatAge(nowMs - decision.createdAtMs)} ago by the ${decision.loop} loop`)}`,
    `  ${colors.bold(title)}`,
    '',
    fields(
      [
        ['why', decision.why],
        ['now', decision.status],
        ['kind', kind],
        ['policy', `${decision.policy}${decision.approvedBy === null ? '' : `, approved by ${decision.approvedBy}`}`],
        ...(measured === null
          ? []
          : [
              [
                measured < 0 ? 'costs' : 'saves',
                `${usdText(Math.abs(measured))}${measured < 0 ? ' more' : ''} a month, measured at the traffic of now`,
              ] as const,
            ]),
        [
          measured !== null ? 'predicted' : isDearer ? 'costs' : 'saves',
          `${usdText(isDearer ? -decision.savingUsdPerMonth! : decision.savingUsdPerMonth)}${isDearer ? ' more' : ''} a month${measured === null ? ' as predicted' : ''}${decision.costOfChangeUsd > 0 ? `, net of ${usdText(decision.costOfChangeUsd)} for the change itself` : ''}`,
        ],
        ...(decision.migration === null
          ? []
          : [['migration', `${decision.migration}: mq migrations show ${decision.migration}`] as const]),
        ['undo', decision.undo ?? 'nothing to undo'],
      ],
      colors,
    ),
    section('Before and after', outcomesText(decision, colors), colors),
  ]
  if (decision.trial !== null) parts.push(section('Trial', trialText(decision, colors), colors))
  const comparisons = [...decision.trialComparisons, ...decision.watchComparisons]
  if (comparisons.length > 0) parts.push(section('Tests', comparisonsText(decision, colors, width), colors))
  if (decision.guardrails.length > 0) parts.push(section('Guardrails', guardrailsText(decision, colors, width), colors))
  parts.push(section('Rests on', evidenceText(decision, colors, width), colors))
  if (decision.alternatives.length > 0)
    parts.push(section('Alternatives', alternativesText(decision, colors, width), colors))
  if (decision.assumptions.length > 0) {
    parts.push(section('Assumed', decision.assumptions.map((one) => `- ${one}`).join('\n'), colors))
  }
  parts.push(section('Steps', stepsText(decision, colors, nowMs, width), colors))
  return parts.join('\n')
}

function outcomesText(
  { before, predicted, measuredBefore, measured, predictionError }: Decision,
  colors: Colors,
): string {
  const ms = (value: number | null): string => (value === null ? '-' : formatMs(value))
  const bytes = (value: number | null): string => (value === null ? '-' : `${value.toFixed(1)} B`)
  const count = (value: number | null): string => (value === null ? '-' : value.toFixed(1))
  const row = (name: string, of: (one: Outcome) => string): string[] => [
    name,
    of(before),
    of(predicted),
    measuredBefore === null ? '-' : of(measuredBefore),
    measured === null ? '-' : of(measured),
  ]
  const text = table(
    [
      { head: '' },
      { head: 'PREDICTED BEFORE', align: 'right' },
      { head: 'AFTER', align: 'right' },
      { head: 'MEASURED BEFORE', align: 'right' },
      { head: 'AFTER', align: 'right' },
    ],
    [
      row('cost a month', (one) => usdText(one.usdPerMonth)),
      row('a million records', (one) => usdText(one.usdPerMillionRecords)),
      row('p99 of a send', (one) => ms(one.sendP99Ms)),
      row('p99 end to end', (one) => ms(one.endToEndP99Ms)),
      row('bytes of a record', (one) => bytes(one.wireBytesPerRecord)),
      row('records in a batch', (one) => count(one.recordsPerBatch)),
    ],
    colors,
  )
  return predictionError === null ? text : `${text}\nmeasured against predicted cost: ${shareText(predictionError)}`
}

function trialText({ trial }: Decision, colors: Colors): string {
  if (trial === null) return ''
  const { design, instances, ofInstances, startedAtMs, endedAtMs, dropped } = trial
  return fields(
    [
      [
        'design',
        design === 'instances'
          ? `${instances.length} of ${ofInstances} instances against the rest`
          : `${plural(instances.length, 'instance')}, taking turns between old and new settings`,
      ],
      ['instances', instances.slice(0, 5).join(', ') + (instances.length > 5 ? ', ...' : '')],
      ['took', endedAtMs === null ? 'still running' : formatMs(endedAtMs - startedAtMs)],
      ['left out', `${plural(dropped, 'window')} that no honest client reports`],
    ],
    colors,
  )
}

function comparisonsText({ trialComparisons, watchComparisons }: Decision, colors: Colors, width: number): string {
  const row =
    (when: string) =>
    (one: Comparison): string[] => [
      when,
      Number(one.before.median.toPrecision(3)).toString(),
      Number(one.after.median.toPrecision(3)).toString(),
      shareText(one.changeShare),
      one.low === null || one.high === null ? '-' : `${shareText(one.low)} to ${shareText(one.high)}`,
      one.pValue < 0.001 ? '<0.001' : one.pValue.toFixed(3),
      `${one.before.windows}/${one.after.windows}`,
      one.metric,
    ]
  const all = [...trialComparisons.map(row('trial')), ...watchComparisons.map(row('for all'))]
  const text = table(
    [
      { head: 'WHEN' },
      { head: 'BEFORE', align: 'right' },
      { head: 'AFTER', align: 'right' },
      { head: 'CHANGE', align: 'right' },
      { head: '95 %', align: 'right' },
      { head: 'P', align: 'right' },
      { head: 'WINDOWS', align: 'right' },
      { head: 'OF' },
    ],
    all,
    colors,
    width,
  )
  return `${text}\n${colors.dim([...trialComparisons, ...watchComparisons][0]?.test ?? '')}`
}

function guardrailsText({ guardrails }: Decision, colors: Colors, width: number): string {
  return table(
    [{ head: 'NAME' }, { head: 'HELD' }, { head: 'SEEN' }, { head: 'LIMIT' }],
    guardrails.map((one) => [one.name, one.held ? 'yes' : colors.red('no'), one.seen, one.limit]),
    colors,
    width,
  )
}

function evidenceText({ evidence }: Decision, colors: Colors, width: number): string {
  return table(
    [{ head: 'WHAT' }, { head: 'VALUE' }, { head: 'FROM' }],
    evidence.map((one) => [one.what, one.value, one.from]),
    colors,
    width,
  )
}

function alternativesText({ alternatives }: Decision, colors: Colors, width: number): string {
  return table(
    [{ head: 'CHANGE' }, { head: 'A MONTH', align: 'right' }, { head: 'WHY NOT' }],
    alternatives.map((one) => [one.change, usdText(one.usdPerMonth), one.whyNot]),
    colors,
    width,
  )
}

function stepsText({ steps }: Decision, colors: Colors, nowMs: number, width: number): string {
  return table(
    [{ head: 'AGO', align: 'right' }, { head: 'STATE' }, { head: 'BY' }, { head: 'NOTE' }],
    steps.map((one) => [formatAge(nowMs - one.atMs), one.state, one.actor, one.note]),
    colors,
    width,
  )
}

export function policiesText(
  { rules, effective }: WholeList<'listPolicies'>,
  colors: Colors,
  id: string | undefined,
): string {
  const shown = rules.length === 0 ? 'No rules: everywhere the default holds.' : rulesTable(rules, colors)
  return effective === null ? shown : `${effectiveText(effective, id ?? '', colors)}\n\n${shown}`
}

function rulesTable(rules: WholeList<'listPolicies'>['rules'], colors: Colors): string {
  return table(
    [{ head: 'SCOPE' }, { head: 'MODE' }, { head: 'A DAY', align: 'right' }, { head: 'UNASKED' }],
    rules.map((one) => [
      one.scope,
      one.mode ?? 'inherited',
      one.maxChangesPerDay === null ? 'inherited' : String(one.maxChangesPerDay),
      one.autoKnobs === null ? 'inherited' : one.autoKnobs.join(', ') || 'nothing',
    ]),
    colors,
  )
}

function effectiveText(
  { mode, maxChangesPerDay, autoKnobs, from }: EffectivePolicy,
  id: string,
  colors: Colors,
): string {
  return [
    `In force for ${colors.bold(id)}:`,
    fields(
      [
        ['mode', `${mode}  (${from.mode})`],
        ['changes a day', `${maxChangesPerDay}  (${from.maxChangesPerDay})`],
        ['unasked', `${autoKnobs.join(', ') || 'nothing'}  (${from.autoKnobs})`],
      ],
      colors,
    ),
  ].join('\n')
}

export function autopilotText(status: RouteResponse<'getAutopilot'>, colors: Colors, nowMs: number): string {
  const { on, changedAtMs, changedBy, underWay, waiting } = status
  const since = changedAtMs === null ? '' : `, ${formatAge(nowMs - changedAtMs)} ago by ${changedBy ?? 'somebody'}`
  return [
    on
      ? `The autopilot is ${colors.green('on')}${since}.`
      : `The autopilot is ${colors.red('off')}${since}: nothing is begun, and trials under way are taken back.`,
    `${plural(underWay, 'decision')} under way, ${waiting} waiting for a person.`,
  ].join('\n')
}

function section(title: string, text: string, colors: Colors): string {
  return `\n${colors.bold(title)}\n${text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')}`
}
