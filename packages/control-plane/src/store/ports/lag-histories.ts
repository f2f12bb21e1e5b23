/** Where logs ended and how far groups were behind over time: one packed row for each mQ ID. */
export interface LagHistoryReader {
  all(): Promise<ReadonlyMap<string, Uint8Array>>
  ids(): Promise<string[]>
}

export interface LagHistoryRepository extends LagHistoryReader {
  save(mqId: string, data: Uint8Array, atMs: number): Promise<void>
  remove(mqId: string): Promise<void>
}
