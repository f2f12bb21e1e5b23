/** Ends the loading of the SDK with a plain word on a Node that is too old: imported before everything else. */
import { nodeProblem } from '@mq/contract'

const problem = nodeProblem(process.versions.node)
if (problem !== undefined) throw new Error(`@mq/client: ${problem}`)
