/** Errors of the store of a control plane, and of who may write to it. */
import { type CatalogueEntry, entry } from './catalogue-entry.ts'

export const storeErrors = {
  MQ_STORE_FAILED: entry(
    'The store cannot be written',
    'Free disk space or check its permissions; nothing was changed',
    true,
    507,
  ),
  MQ_STORE_NEWER: entry(
    'The store was written by a newer mQ',
    'Start that version or a newer one, or restore a backup that this version made (`mq restore`); nothing was changed',
    false,
    500,
  ),
  MQ_STORE_DAMAGED: entry(
    'The store is damaged',
    'Restore a backup (`mq restore`), and check the disk; keep the damaged files for a look',
    false,
    500,
  ),
  MQ_STORE_INCOMPLETE: entry(
    'The store holds less than its folder knows it should',
    'Put the missing files back (control-plane.sqlite goes with its -wal), or restore a backup (`mq restore`); to begin anew on purpose, remove store-mark.json',
    false,
    500,
  ),
  MQ_NOT_LEADER: entry(
    'Another control plane leads by now, and this one wrote nothing',
    'Ask the one that leads. Where there is to be one alone, stop the other and restart this one',
    true,
    503,
  ),
  MQ_STORE_LOCKED: entry(
    'Another control plane uses this data folder',
    'Stop it, or choose another --data folder',
    false,
    409,
  ),
} as const satisfies Record<string, CatalogueEntry>
