/**
 * Roll-ups of traffic, packed: neighbouring windows of one mQ ID share a chunk (telemetry/rollups.ts).
 *
 * T1. What windows are still added to stands apart, so that finished chunks fill their pages to the end.
 * T2. Chunks of different resolutions stand apart: those that are removed together leave whole pages behind.
 */
export type TrafficResolution = '10s' | '5min' | '1h'

export interface TrafficChunk {
  readonly startMs: number
  readonly data: Uint8Array
}

export interface TrafficReader {
  /** The finished chunk that begins then. */
  finished(resolution: TrafficResolution, mqId: string, startMs: number): Promise<Uint8Array | undefined>
  /** Finished chunks that begin after, oldest first. */
  finishedAfter(resolution: TrafficResolution, mqId: string, afterMs: number): Promise<TrafficChunk[]>
  growing(resolution: TrafficResolution, mqId: string): Promise<TrafficChunk | undefined>
}

export interface TrafficRepository extends TrafficReader {
  saveFinished(resolution: TrafficResolution, mqId: string, chunk: TrafficChunk): Promise<void>
  saveGrowing(resolution: TrafficResolution, mqId: string, chunk: TrafficChunk): Promise<void>
  /** Of all mQ IDs, also of those that fell silent or are gone: chunks that begin until then. */
  remove(resolution: TrafficResolution, untilMs: number): Promise<void>
}
