/** Ends the command with a plain word on a Node that is too old: imported before everything else. */
import { nodeProblem } from '@mq/contract'

const problem = nodeProblem(process.versions.node)
if (problem !== undefined) {
  process.stderr.write(`mq: ${problem}. Get it from https://nodejs.org\n`)
  // As for every tool that is missing (exit-codes.ts), which is not loaded yet.
  process.exit(5)
}
