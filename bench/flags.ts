/** The flags all measurements share. */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'

const shared = {
  json: { type: 'boolean', default: false },
  rounds: { type: 'string', default: '3' },
  partitions: { type: 'string', default: '4' },
  'payload-bytes': { type: 'string', default: '200' },
  seed: { type: 'string', default: '1' },
  bootstrap: { type: 'string' },
  date: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const satisfies ParseArgsOptionsConfig

/** Shared flags and the whole numbers a measurement adds, with their defaults. */
export function readFlags<N extends string>(usage: string, numbers: Readonly<Record<N, number>>) {
  const own = Object.fromEntries(
    Object.entries<number>(numbers).map(([name, value]) => [name, { type: 'string' as const, default: String(value) }]),
  )
  const { values } = parseArgs({ options: { ...shared, ...own } })
  const given = values as Record<string, string | boolean | undefined>
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
  return {
    ...read,
    json: given.json === true,
    rounds: whole('rounds'),
    partitions: whole('partitions'),
    payloadBytes: whole('payload-bytes'),
    seed: whole('seed'),
    bootstrap: typeof given.bootstrap === 'string' ? given.bootstrap.split(',') : undefined,
    date: typeof given.date === 'string' ? given.date : new Date().toISOString().slice(0, 10),
  }
}
