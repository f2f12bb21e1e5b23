/**
 * Reports of client processes.
 */
import type { TelemetryReport } from '@mq/contract'
import type { Holdings } from '../migration/holdings.ts'
import type { Migrator } from '../migration/migrator.ts'
import type { Recovery } from '../recovery/recovery.ts'
import type { ClientBook } from '../telemetry/client-book.ts'
import type { EpochUse } from '../telemetry/epoch-use.ts'
import type { FailingReaders } from '../telemetry/failing-readers.ts'
import type { HandlerTrouble } from '../telemetry/handler-trouble.ts'
import type { Traffic } from '../telemetry/traffic.ts'

export interface ReportContext {
  readonly traffic: Traffic
  readonly trouble: HandlerTrouble
  readonly failing: FailingReaders
  readonly clients: ClientBook
  readonly epochUse: EpochUse
  readonly migrator: Migrator
  readonly holdings: Holdings
  readonly recovery: Recovery
}

export async function takeReport(context: ReportContext, report: TelemetryReport): Promise<void> {
  context.traffic.take(report)
  context.trouble.take(report)
  context.failing.take(report)
  context.clients.take(report)
  context.epochUse.take(report)
  context.migrator.heard(report)
  context.holdings.take(report)
  await context.recovery.seen(report.bindings)
}
