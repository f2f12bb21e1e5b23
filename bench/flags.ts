/** The flags all measurements share. */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'

const shared = {
  json: { type: 'boolean', default: false },
  save: { type: 'boolean', default: false },
  rounds: { type: 'string', default: '3' },
  partitions: { type: 'string', default: '4' },
  'payload-bytes': { type: 'string', default: '200' },
  seed: { type: 'string', default: '1' },
  bootstrap: { type: 'string' },
  date: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const satisfies ParseArgsOptionsConfig

/** Shared flags and the whole numbers and texts a measurement adds, with their defaults. */
export function readFlags<N extends string, T extends string = never>(
  usage: string,
  numbers: Readonly<Record<N, number>>,
  texts: Readonly<Record<T, string>> = {} as Readonly<Record<T, string>>,
) {
  const own = Object.fromEntries(
    Object.entries<number | string>({ ...numbers, ...texts }).map(([name, value]) => [
      name,
      { type: 'string' as const, default: String(value) },
    ]),
  )
  const given = parsed({ ...shared, ...own })
  if (given.help === true) {
    console.log(usage)
    process.exit(0)
  }
  const whole = (name: string): number => {
    const value = Number(given[name])
    if (!Number.isSafeInteger(value) || value < 1) {
      console.error(`--${name} ${String(given[name])}: write a whole number of 1 or more`)
      process.exit(2)
    }
    return value
  }
  const read = Object.fromEntries(Object.keys(numbers).map((name) => [name, whole(name)])) as Record<N, number>
  const readTexts = Object.fromEntries(Object.keys(texts).map((name) => [name, String(given[name])])) as Record<
    T,
    string
  >
  return {
    ...read,
    ...readTexts,
    json: given.json === true,
    save: given.save === true,
    rounds: whole('rounds'),
    partitions: whole('partitions'),
    payloadBytes: whole('payload-bytes'),
    seed: whole('seed'),
    bootstrap: typeof given.bootstrap === 'string' ? given.bootstrap.split(',') : undefined,
    date: isoDate(given.date),
  }
}

function parsed(options: ParseArgsOptionsConfig): Record<string, string | boolean | undefined> {
  try {
    return parseArgs({ options }).values as Record<string, string | boolean | undefined>
  } catch (error) {
    console.error(`${(error as Error).message}; --help lists the options`)
    process.exit(2)
  }
}

function isoDate(given: string | boolean | undefined): string {
  if (given === undefined) return new Date().toISOString().slice(0, 10)
  if (typeof given === 'string' && /^\d{4}-\d\d-\d\d$/.test(given)) return given
  console.error(`--date ${String(given)}: write YYYY-MM-DD`)
  process.exit(2)
}
