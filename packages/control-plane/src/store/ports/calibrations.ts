/** Constants of the models that were measured on clusters. */
import type { Calibration } from '../../twin/calibrate.ts'

export interface KeptCalibration {
  readonly atMs: number
  readonly constants: Calibration
}

export interface CalibrationReader {
  /** By cluster, oldest first. */
  all(): Promise<ReadonlyMap<string, readonly KeptCalibration[]>>
}

export interface CalibrationRepository extends CalibrationReader {
  save(cluster: string, kept: readonly KeptCalibration[], atMs: number): Promise<void>
}
