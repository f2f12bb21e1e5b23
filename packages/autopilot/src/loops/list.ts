/**
 * The loops of mQ, in the order in which they may speak: one proposal at a time for an mQ ID.
 */
import type { LoopDefinition } from '../loop-definition.ts'
import { partitions } from './partitions.ts'
import { placement } from './placement.ts'
import { retention } from './retention.ts'
import { tuning } from './tuning.ts'

export const loops: readonly LoopDefinition[] = [tuning, retention, placement, partitions]
