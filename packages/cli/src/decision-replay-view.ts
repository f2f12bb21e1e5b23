/** A decision proposed again from the World it was proposed from, for people: what its loop saw, and whether it would say the same now. */
import type { DecisionReplay } from '@mq/contract'
import type { Colors } from './io.ts'
import { fields, table } from './output.ts'
import { formatAge, formatCount, plural } from './units.ts'

const MOST_DIFFERENCES = 20
const LONGEST_VALUE = 48

export function replayText(replay: DecisionReplay, colors: Colors, nowMs: number, width: number): string {
  const { number, mqId, loop, title, recordedAtMs, recordedBy, replayedBy, same, reason, differences } = replay
  const verdict = same
    ? colors.green('the same proposal, byte for byte')
    : reason === null
      ? colors.yellow(`another proposal: it differs in ${formatCount(differences.length)} places`)
      : colors.yellow(`no proposal: ${reason}`)
  const parts = [
    `${colors.bold(`Decision ${number}`)} about ${mqId}, proposed by the ${loop} loop ${formatAge(nowMs - recordedAtMs)} ago`,
    `  ${colors.bold(title)}`,
    '',
    fields(
      [
        ['recorded by', `mQ ${recordedBy}`],
        ['replayed by', `mQ ${replayedBy}`],
        ['result', verdict],
      ],
      colors,
    ),
    section('What the loop saw', fields(worldFields(replay), colors), colors),
  ]
  if (differences.length > 0) {
    const rows = differences
      .slice(0, MOST_DIFFERENCES)
      .map(({ path, recorded, now }) => [path, short(recorded), short(now)])
    const more = differences.length - rows.length
    const shown = table([{ head: 'WHERE' }, { head: 'RECORDED' }, { head: 'NOW' }], rows, colors, width)
    parts.push(section('Differences', more > 0 ? `${shown}\nand ${more} more` : shown, colors))
  }
  parts.push('', colors.dim('All of it: -o json'))
  return parts.join('\n')
}

/** The parts of a World that a person asks for first; -o json has the rest. */
function worldFields({ world, worldBytes }: DecisionReplay): [string, string][] {
  const [one] = list(world.ids)
  const { configuration, workload, looks } = one ?? {}
  const settings = part(configuration)
  const load = part(workload)
  const number = (value: unknown): string => (typeof value === 'number' ? formatCount(Math.round(value)) : '-')
  const clusters = list(world.clusters).map(({ name, book }) => `${String(name)} (prices: ${String(part(book).id)})`)
  return [
    [
      'configuration',
      `${text(settings.codec)}, linger ${text(settings.lingerMs)} ms, batch ${text(settings.batchBytes)} bytes, ${text(settings.partitions)} partitions on ${text(settings.cluster)}`,
    ],
    [
      'traffic',
      `${number(load.recordsPerSecond)} records/s of ${number(load.recordBytes)} bytes, ${plural(Number(load.producers ?? 0), 'producer')}, ${plural(list(load.groups).length, 'group')}`,
    ],
    ['codecs', `${list(load.curves).length} measured on its own records`],
    ['p99 allowed', `${text(part(one?.intent).latencyP99Ms)} ms${list(looks).length === 0 ? '' : ', exceeded lately'}`],
    ['policy', text(part(one?.policy).mode)],
    ['earlier decisions', String(list(one?.decisions).length)],
    ['clusters', clusters.join(', ')],
    ['size', `${formatCount(worldBytes)} bytes`],
  ]
}

type Part = Readonly<Record<string, unknown>>

const part = (value: unknown): Part => (typeof value === 'object' && value !== null ? (value as Part) : {})
const list = (value: unknown): Part[] => (Array.isArray(value) ? value.map(part) : [])
const text = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : '-'

function short(value: string | null): string {
  if (value === null) return '-'
  return value.length > LONGEST_VALUE ? `${value.slice(0, LONGEST_VALUE - 3)}...` : value
}

function section(title: string, body: string, colors: Colors): string {
  return `\n${colors.bold(title)}\n${body
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n')}`
}
