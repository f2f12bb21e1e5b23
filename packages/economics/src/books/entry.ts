/** Short forms for the entries of price books, so that the tables read as tables. */
import { type Confidence, type Instance, METERS, type Meter, type PriceFigure, usualBasis } from '../price-book.ts'

export function figure(
  meter: Meter,
  usd: number,
  source: string,
  dated: string,
  confidence: Confidence,
  basis: PriceFigure['basis'] = usualBasis(meter),
): PriceFigure {
  return { usd, unit: METERS[meter], basis, source, dated, confidence }
}

/** Rows of [type, USD per hour, vCPUs, baseline Mbps or null]. */
export function instances(
  source: string,
  dated: string,
  confidence: Confidence,
  rows: readonly (readonly [string, number, number, number | null])[],
): Record<string, Instance> {
  return Object.fromEntries(
    rows.map(([type, usdPerHour, vcpus, netBaselineMbps]) => [
      type,
      { usdPerHour, vcpus, netBaselineMbps, source, dated, confidence },
    ]),
  )
}
