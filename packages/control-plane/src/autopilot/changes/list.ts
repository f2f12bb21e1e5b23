/**
 * The kinds of changes that mQ knows.
 */
import type { ChangeKind } from '../change-kind.ts'
import { clusterChange } from './cluster.ts'
import { consumerSettingsChange } from './consumer-settings.ts'
import { partitionsChange } from './partitions.ts'
import { producerSettingsChange } from './producer-settings.ts'
import { retentionChange } from './retention.ts'

export const changeKinds: readonly ChangeKind[] = [
  producerSettingsChange,
  consumerSettingsChange,
  retentionChange,
  partitionsChange,
  clusterChange,
]
