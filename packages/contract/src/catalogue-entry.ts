/**
 * One entry of the error catalogue.
 */

export interface CatalogueEntry {
  /** What happened, in one line, as a heading. */
  readonly title: string
  /** What a person does about it. */
  readonly action: string
  readonly retryable: boolean
  /** Status of an HTTP response that carries it. */
  readonly httpStatus: number
}

export const entry = (title: string, action: string, retryable: boolean, httpStatus: number): CatalogueEntry => ({
  title,
  action,
  retryable,
  httpStatus,
})
