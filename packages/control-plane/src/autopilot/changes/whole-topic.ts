/**
 * The rollout of what concerns a whole topic: no few instances can try it.
 */
import type { RolloutStrategy } from '../change-kind.ts'

export const WHOLE_TOPIC: RolloutStrategy = {
  kind: 'for-all',
  why: 'it concerns the whole topic, so it is rolled out to all and watched',
}
