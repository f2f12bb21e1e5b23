/** Settings of the installation as rows of a SQL database, beside what the store notes of itself. */
import type { Kysely } from 'kysely'
import type { SettingName, SettingsRepository } from '../ports/settings.ts'
import type { Changed } from './changed.ts'
import type { Tables } from './tables.ts'

export class SqlSettings implements SettingsRepository {
  readonly #db: Kysely<Tables>
  readonly #changed: Changed

  constructor(db: Kysely<Tables>, changed: Changed) {
    this.#db = db
    this.#changed = changed
  }

  async get(name: SettingName): Promise<string | undefined> {
    const row = await this.#db.selectFrom('meta').select('value').where('key', '=', name).executeTakeFirst()
    return row?.value
  }

  async set(name: SettingName, value: string): Promise<void> {
    await this.#db
      .insertInto('meta')
      .values({ key: name, value })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
      .execute()
    this.#changed({ of: 'setting', name, value })
  }

  async setFirst(name: SettingName, value: string): Promise<void> {
    const { numInsertedOrUpdatedRows } = await this.#db
      .insertInto('meta')
      .values({ key: name, value })
      .onConflict((conflict) => conflict.column('key').doNothing())
      .executeTakeFirst()
    if (numInsertedOrUpdatedRows === 1n) this.#changed({ of: 'setting', name, value })
  }
}
