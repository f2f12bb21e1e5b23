/**
 * Errors of migrations: their part of the error catalogue (errors.ts).
 */
import { type CatalogueEntry, entry } from './catalogue-entry.ts'

export const migrationErrors = {
  MQ_MIGRATION_RUNNING: entry(
    'The mQ ID is being moved',
    'Wait until the migration is open (`mq migrations`), or cancel it',
    true,
    409,
  ),
  MQ_MIGRATION_REFUSED: entry('The migration cannot be made as asked', 'Change what the message names', false, 422),
  MQ_MIGRATION_FORBIDDEN: entry(
    'The intent of the mQ ID forbids moving it',
    'Set movable: true in its intent with `mq apply`, then move it',
    false,
    403,
  ),
  MQ_MIGRATION_NO_ROOM: entry(
    'The target has no room for the mQ ID',
    'Free disk there, add brokers, or move to another cluster; nothing was touched',
    false,
    507,
  ),
  MQ_MIGRATION_SEALED: entry(
    'The migration cannot be cancelled any more',
    'Let it end; to go back, move again: the old cluster gets a new epoch',
    false,
    409,
  ),
  MQ_MIGRATION_UNKNOWN: entry('No such migration', 'See `mq migrations`', false, 404),
  MQ_MIGRATION_SENDS_WAIT: entry(
    'Sends wait for a migration',
    'Do what the message says; each send waits up to its deadline',
    true,
    409,
  ),
  MQ_MIGRATION_GROUP_WAITS: entry(
    'A migration waits for a group that does not read',
    'Start the group, or let the migration go on without it: `mq group drop ID GROUP`',
    true,
    409,
  ),
  MQ_GROUP_UNKNOWN: entry(
    'No such group reads the mQ ID',
    'List the groups of the mQ ID with `mq groups ID`, and check the spelling',
    false,
    404,
  ),
  MQ_MIGRATION_TARGET_AWAY: entry(
    'An mQ ID was moved to a place that cannot be written now',
    'Bring its cluster back; the migration goes back by itself as soon as the new epoch can be sealed',
    true,
    503,
  ),
  MQ_SEAL_UNSAFE: entry(
    'A cluster does not keep what the seal of a migration rests on',
    'The mQ ID stays where it is and was not touched; move its applications to a new mQ ID on another cluster, or replace the engine',
    false,
    422,
  ),
  MQ_SEAL_FORBIDDEN: entry(
    'The topic cannot be sealed, so nothing was touched',
    'Let the control plane change topic settings on that cluster (AlterConfigs on the topic)',
    false,
    403,
  ),
} as const satisfies Record<string, CatalogueEntry>
