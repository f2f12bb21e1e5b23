/**
 * What single processes reported, report by report: the samples that trials are judged by.
 *
 * N1. An entry is what one report says of one mQ ID under one set of settings, placed by when it arrived.
 * N2. Entries of an mQ ID that somebody asks about are kept for 15 minutes, those of others for two, so that there is something to
 *     compare with when somebody begins to ask.
 * N3. Memory is bounded: per process, per mQ ID and for all; an entry beyond is not kept, and counted.
 */
import type { ProducerTelemetry, TelemetryReport } from '@mq/contract'
import type { InstanceWindow } from './profile.ts'
import { Sketch } from './sketch.ts'

export const KEEP_ASKED_MS = 15 * 60_000
const KEEP_OTHERS_MS = 2 * 60_000
const ASKED_LASTS_MS = 30 * 60_000
const MOST_OF_INSTANCE = 2_048
const MOST_INSTANCES = 2_000
const MOST_OTHERS = 100_000
const MOST_ASKED = 300_000

interface Entry<Window> {
  readonly atMs: number
  readonly window: Window
}

interface IdLog<Window> {
  readonly instances: Map<string, Entry<Window>[]>
  askedAtMs: number
}

/** Of those that send, or of those that read. */
export class InstanceLog<Window> {
  readonly #ids = new Map<string, IdLog<Window>>()
  #entries = 0
  #left = 0

  /** Entries that found no room (N3). */
  get left(): number {
    return this.#left
  }

  /** @param who the process, or the process in one of its groups */
  add(mqId: string, who: string, window: Window, nowMs: number): void {
    let log = this.#ids.get(mqId)
    if (log === undefined) {
      log = { instances: new Map(), askedAtMs: Number.NEGATIVE_INFINITY }
      this.#ids.set(mqId, log)
    }
    const isAsked = nowMs - log.askedAtMs < ASKED_LASTS_MS
    let entries = log.instances.get(who)
    if (
      this.#entries >= (isAsked ? MOST_ASKED : MOST_OTHERS) ||
      (entries === undefined && log.instances.size >= MOST_INSTANCES)
    ) {
      this.#left++
      return
    }
    if (entries === undefined) {
      entries = []
      log.instances.set(who, entries)
    }
    entries.push({ atMs: nowMs, window })
    this.#entries++
    const since = nowMs - (isAsked ? KEEP_ASKED_MS : KEEP_OTHERS_MS)
    this.#cut(entries, since)
    if (entries.length > MOST_OF_INSTANCE) {
      entries.shift()
      this.#entries--
    }
  }

  /** Oldest first. Asking keeps what comes for longer (N2). */
  windows(mqId: string, sinceMs: number, nowMs: number): Window[] {
    const log = this.#ids.get(mqId)
    if (log === undefined) return []
    log.askedAtMs = nowMs
    return [...log.instances.values()]
      .flat()
      .filter(({ atMs }) => atMs >= sinceMs)
      .sort((a, b) => a.atMs - b.atMs)
      .map(({ window }) => window)
  }

  /** Forgets what is past its time, and mQ IDs that are gone. */
  prune(nowMs: number, isKnown: (mqId: string) => boolean): void {
    for (const [mqId, log] of this.#ids) {
      const isAsked = nowMs - log.askedAtMs < ASKED_LASTS_MS
      const since = isKnown(mqId) ? nowMs - (isAsked ? KEEP_ASKED_MS : KEEP_OTHERS_MS) : Number.POSITIVE_INFINITY
      for (const [who, entries] of log.instances) {
        this.#cut(entries, since)
        if (entries.length === 0) log.instances.delete(who)
      }
      if (log.instances.size === 0 && !isAsked) this.#ids.delete(mqId)
    }
  }

  #cut(entries: Entry<Window>[], sinceMs: number): void {
    let old = 0
    while (old < entries.length && entries[old]!.atMs < sinceMs) old++
    if (old === 0) return
    entries.splice(0, old)
    this.#entries -= old
  }
}

export function windowOf(report: TelemetryReport, one: ProducerTelemetry, nowMs: number): InstanceWindow {
  const encoded = one.sendLatencyUs
  return {
    instance: report.instance,
    app: report.app,
    zone: report.zone ?? null,
    epoch: one.epoch,
    windowStartMs: nowMs - report.windowMs,
    windowMs: report.windowMs,
    activeMs: Math.min(one.activeMs ?? report.windowMs, report.windowMs),
    records: one.records,
    recordBytes: one.recordBytes,
    batches: one.batches,
    requests: one.requests,
    uncompressedBytes: one.batchBytesUncompressed,
    wireBytes: one.batchBytesWire,
    cpuUs: one.cpuUs ?? null,
    errors: one.errors,
    retries: one.retries,
    bufferBytesMax: one.bufferBytesMax,
    // Decoded when somebody looks: most entries are never looked at, and text takes a tenth of the memory.
    get sendLatency(): Sketch {
      return Sketch.decode(encoded)
    },
    trial: one.trial ?? null,
    settings: {
      codec: one.codec,
      codecLevel: one.codecLevel ?? null,
      lingerMs: one.lingerMs,
      batchBytesLimit: one.batchBytesLimit ?? null,
    },
  }
}
