/**
 * Imported before everything else.
 *
 * N1. The command ends with a plain word on a Node that is too old.
 * N2. Node 24 and 25 warn of `node:sqlite`, whose interface has not changed since: that says nothing to a person who runs `mq`. Every
 *     other warning is shown.
 */
import { nodeProblem } from '@mq/contract'

const problem = nodeProblem(process.versions.node)
if (problem !== undefined) {
  process.stderr.write(`mq: ${problem}. Get it from https://nodejs.org\n`)
  // As for every tool that is missing (exit-codes.ts), which is not loaded yet.
  process.exit(5)
}

const emitWarning = process.emitWarning.bind(process) as (...args: readonly unknown[]) => void
/** N2. */
process.emitWarning = (...args: readonly unknown[]): void => {
  const [warning] = args
  if (!String(warning instanceof Error ? warning.message : warning).startsWith('SQLite is an experimental feature'))
    emitWarning(...args)
}
