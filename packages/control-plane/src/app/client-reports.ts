/**
 * Reports of client processes.
 */
import type { TelemetryReport } from '@mq/contract'
import type { ClientReports } from '../telemetry/client-reports.ts'

export interface ReportContext {
  readonly reports: ClientReports
}

export async function takeReport({ reports }: ReportContext, report: TelemetryReport): Promise<void> {
  await reports.accept(report)
}
