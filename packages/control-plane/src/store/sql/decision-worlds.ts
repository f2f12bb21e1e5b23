/** Recorded Worlds as rows of a SQL database. */
import { deflateSync, inflateSync } from 'node:zlib'
import type { Kysely } from 'kysely'
import {
  type DecisionWorldRepository,
  KEEP_MS,
  KEEP_NEWEST,
  MAX_WORLD_BYTES,
  type RecordedWorld,
} from '../ports/decision-worlds.ts'
import type { Tables } from './tables.ts'

/** What was packed here is no larger unpacked. */
const MAX_TEXT_BYTES = 64 * 1_048_576

export class SqlDecisionWorlds implements DecisionWorldRepository {
  readonly #db: Kysely<Tables>

  constructor(db: Kysely<Tables>) {
    this.#db = db
  }

  async find(number: number): Promise<RecordedWorld | undefined> {
    const row = await this.#db.selectFrom('decision_worlds').selectAll().where('number', '=', number).executeTakeFirst()
    if (row === undefined) return undefined
    const { at_ms, version, format } = row
    return { number, atMs: at_ms, version, format, world: unpacked(row.world), proposal: unpacked(row.proposal) }
  }

  async add({ number, atMs, version, format, ...texts }: RecordedWorld): Promise<boolean> {
    const [world, proposal] = [deflateSync(texts.world), deflateSync(texts.proposal)]
    await this.#db
      .deleteFrom('decision_worlds')
      .where((where) => where.or([where('number', '<=', number - KEEP_NEWEST), where('at_ms', '<', atMs - KEEP_MS)]))
      .execute()
    if (world.length + proposal.length > MAX_WORLD_BYTES) return false
    await this.#db
      .insertInto('decision_worlds')
      .values({ number, at_ms: atMs, version, format, world, proposal })
      .execute()
    return true
  }
}

function unpacked(data: Uint8Array): string {
  return inflateSync(data, { maxOutputLength: MAX_TEXT_BYTES }).toString('utf8')
}
