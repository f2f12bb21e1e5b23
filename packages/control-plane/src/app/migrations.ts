/**
 * Migrations: planning, starting, cancelling one, and going on without what stays away.
 */

import type { Migration, MigrationRequest, RouteBody, RouteResponse } from '@mq/contract'
import type { Holdings } from '../migration/holdings.ts'
import type { Migrations } from '../migration/migrations.ts'
import type { Migrator } from '../migration/migrator.ts'
import type { MigrationRecord } from '../migration/record.ts'
import { viewOf } from '../migration/view.ts'
import { actorOf, type Caller } from './caller.ts'
import { type Page, type PageInput, pageByNumber } from './page.ts'

export interface MigrationContext {
  readonly migrator: Migrator
  readonly migrations: Migrations
  readonly holdings: Holdings
}

/** Starts a migration, or only says what would be done. */
export async function migrate(
  context: MigrationContext,
  caller: Caller,
  { id, plan: planOnly, ...wanted }: MigrationRequest & { readonly id: string },
): Promise<RouteResponse<'migrate'>> {
  if (planOnly) return { plan: await context.migrator.plan(id, wanted), migration: null }
  const { plan, record } = await context.migrator.start(id, wanted, actorOf(caller))
  return { plan, migration: view(context, record) }
}

export async function listMigrations(
  context: MigrationContext,
  mqId: string | undefined,
  page: PageInput<number>,
): Promise<Page<Migration, number>> {
  const filter = mqId === undefined ? {} : { mqId }
  const found = await pageByNumber(
    page,
    (rows) => context.migrations.list({ ...filter, ...rows }),
    ({ number }) => number,
  )
  return { items: found.items.map((record) => view(context, record)), next: found.next }
}

export async function getMigration(context: MigrationContext, number: number): Promise<Migration> {
  return view(context, await context.migrations.find(number))
}

/** Undoes a migration; with `force` it does not wait for a new cluster that is away. */
export async function cancelMigration(
  context: MigrationContext,
  caller: Caller,
  { number, force }: { readonly number: number; readonly force: boolean },
): Promise<Migration> {
  return view(context, await context.migrator.cancel(number, { actor: actorOf(caller), force }))
}

/** Lets groups go on without the rest of the old epoch, should its cluster stay away. */
export async function skipLostSource(context: MigrationContext, caller: Caller, number: number): Promise<Migration> {
  return view(context, await context.migrator.skip(number, actorOf(caller)))
}

/** Takes the positions of a group away that nobody uses any more, and lets migrations go on without it. */
export function dropGroup(
  { migrator }: MigrationContext,
  caller: Caller,
  { id, group, force }: RouteBody<'dropGroup'> & { readonly id: string },
): Promise<RouteResponse<'dropGroup'>> {
  return migrator.dropGroup(id, group, force, actorOf(caller))
}

function view({ holdings }: MigrationContext, record: MigrationRecord): Migration {
  return viewOf(record, holdings.nowMs)
}
