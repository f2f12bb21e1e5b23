/** Runs a measuring program as a user does, in a process of its own. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** What the program printed with `--json`. */
export async function measured(program: string, flags: readonly string[]): Promise<string> {
  const script = fileURLToPath(new URL(`../${program}`, import.meta.url))
  const { stdout } = await run(process.execPath, ['--conditions=mq-source', script, '--json', ...flags], {
    maxBuffer: 16 * 1_048_576,
  })
  return stdout
}

/** The object on its last line. */
export async function measure(program: string, flags: readonly string[]): Promise<unknown> {
  return JSON.parse((await measured(program, flags)).trim().split('\n').at(-1)!)
}
