/**
 * Lists in pages: every list of the API takes `limit` and `cursor` and answers with `nextCursor`.
 *
 * PG1. Whoever follows `nextCursor` to its end gets everything that was there all the time exactly once, whatever is added or goes
 *      meanwhile; what was added may come or not.
 * PG2. A cursor belongs to its route; the filters must stay the same. Any other text is refused.
 * PG3. Without a limit a page holds MAX_PAGE items, or DEFAULT_HISTORY_PAGE of a history that is read from its newest item on.
 */
import { z } from 'zod'

export const MAX_PAGE = 1_000
export const DEFAULT_HISTORY_PAGE = 100

function pageQuery(defaultLimit: number) {
  return {
    limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(defaultLimit).describe('Items of one page'),
    cursor: z.string().min(1).max(2_000).optional().describe('nextCursor of the page before, with the same filters'),
  }
}

export const PageQuery = pageQuery(MAX_PAGE)
export const HistoryPageQuery = pageQuery(DEFAULT_HISTORY_PAGE)

export const NextCursor = z.string().nullable().default(null).describe('Asks for the next page; null on the last one')
