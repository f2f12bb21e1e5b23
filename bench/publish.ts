/** Where a result goes: the table to people, the object to programs, and with `--save` to the results kept in the project. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Publishable {
  readonly measure: string
  readonly machine: { readonly date: string }
}

const RESULTS = fileURLToPath(new URL('results/', import.meta.url))

/** `quiet`: nothing but the object on standard output; the table goes to standard error. */
export function publish(
  result: Publishable,
  table: string,
  flags: { json: boolean; save: boolean; quiet?: boolean },
): void {
  if (flags.quiet === true) console.error(table)
  else console.log(table)
  if (flags.save) {
    mkdirSync(RESULTS, { recursive: true })
    writeFileSync(`${RESULTS}${result.machine.date}-${result.measure}.json`, `${JSON.stringify(result, null, 2)}\n`)
  }
  if (flags.json) console.log(JSON.stringify(result))
}
