/**
 * How long migrations wait on one machine: an hour for a topic that nobody needs is for clusters that others look at.
 *
 * Clients report every 10 seconds, so `quietMs` is long enough to hear of everyone who still uses an epoch.
 */
export const localMigrationTimes = {
  watchMs: 10_000,
  quietMs: 15_000,
  groupsMs: 5_000,
  silentMs: 15_000,
  deleteAfterMs: 60_000,
} as const
