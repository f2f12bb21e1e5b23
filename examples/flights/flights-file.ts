/**
 * The 3,000,000 real US flights of the `vega-datasets` package, read a row group at a time.
 *
 * R1. Reading a stretch of rows yields each of its rows exactly once, in file order.
 * R2. At most one row group (272,727 rows) is in memory.
 */
import { fileURLToPath } from 'node:url'
import type { AsyncBuffer, FileMetaData } from 'hyparquet'
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

/** Some rows, column by column: value `n` of each column belongs to row `firstRow + n`. */
export interface FlightColumns {
  readonly firstRow: number
  readonly rows: number
  readonly date: readonly string[]
  readonly delay: readonly number[]
  readonly distance: readonly number[]
  readonly origin: readonly string[]
  readonly destination: readonly string[]
}

const COLUMNS = ['date', 'delay', 'distance', 'origin', 'destination'] as const

export class FlightsFile {
  readonly #file: AsyncBuffer
  readonly #metadata: FileMetaData

  private constructor(file: AsyncBuffer, metadata: FileMetaData) {
    this.#file = file
    this.#metadata = metadata
  }

  static async open(): Promise<FlightsFile> {
    const url = new URL('../data/flights-3m.parquet', import.meta.resolve('vega-datasets'))
    const file = await asyncBufferFromFile(fileURLToPath(url))
    return new FlightsFile(file, await parquetMetadataAsync(file))
  }

  get rows(): number {
    return Number(this.#metadata.num_rows)
  }

  /** The rows from `from` up to, not including, `to`. */
  async *read(from: number, to: number): AsyncGenerator<FlightColumns> {
    let groupStart = 0
    for (const group of this.#metadata.row_groups) {
      const groupEnd = groupStart + Number(group.num_rows)
      const start = Math.max(from, groupStart)
      const end = Math.min(to, groupEnd)
      if (start < end) yield await this.#readWithinGroup(groupStart, start, end)
      groupStart = groupEnd
    }
  }

  async #readWithinGroup(groupStart: number, from: number, to: number): Promise<FlightColumns> {
    const columns = new Map<string, unknown[]>()
    await parquetRead({
      file: this.#file,
      metadata: this.#metadata,
      compressors,
      columns: [...COLUMNS],
      rowStart: from,
      rowEnd: to,
      parsers: { timestampFromMicroseconds: isoTextCache() },
      onChunk: ({ columnName, columnData, rowStart }) => {
        if (rowStart !== groupStart) throw new Error(`column ${columnName} came in pieces: row ${rowStart}`)
        columns.set(columnName, Array.from(columnData))
      },
    })
    const column = (name: (typeof COLUMNS)[number]): unknown[] => {
      const values = columns.get(name)
      if (values === undefined) throw new Error(`the file has no column '${name}'`)
      return values.slice(from - groupStart, to - groupStart)
    }
    return {
      firstRow: from,
      rows: to - from,
      date: column('date') as string[],
      delay: column('delay').map(Number),
      distance: column('distance').map(Number),
      origin: column('origin') as string[],
      destination: column('destination') as string[],
    }
  }
}

// Rows are sorted by minute and about 14 share one, so the text of the last minute is worth keeping.
function isoTextCache(): (microseconds: bigint) => string {
  let last = -1n
  let text = ''
  return (microseconds) => {
    if (microseconds !== last) {
      last = microseconds
      text = new Date(Number(microseconds / 1_000n)).toISOString()
    }
    return text
  }
}
