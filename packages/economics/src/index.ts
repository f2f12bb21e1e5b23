/** The whole public surface of `@mq/economics`. */
export type { Batching, Stream } from './batching.ts'
export { BATCH_HEADER_BYTES, batchingOf, maxRecordsPerBatch } from './batching.ts'
export type { BrokerWork } from './broker-load.ts'
export { brokerCpuUs } from './broker-load.ts'
export type { ClusterModel, Room } from './cluster-model.ts'
export { brokerVcpuUsdPerHour, clusterModel, UNKNOWN_ROOM } from './cluster-model.ts'
export type { CodecCurve, CodecPoint } from './codec-curve.ts'
export { assumedCurve, codecName, FittedCurve } from './codec-curve.ts'
export type { BrokerCount, BrokerLimits, ClusterLoad } from './compute.ts'
export { brokersFor, vcpusFor } from './compute.ts'
export type { ClientKnobs, Configuration } from './configuration.ts'
export { defaultConfiguration, sameConfiguration, sameKnobs } from './configuration.ts'
export { decodingUs } from './consuming.ts'
export type { Cost, CostLine, CostPart, Quantities, Shape } from './cost.ts'
export { bill, costOf, NO_QUANTITIES, shapeOf } from './cost.ts'
export type { DemandEvent, FittedEvent } from './demand/events.ts'
export { checkEvent, fitEvent, multipleAt } from './demand/events.ts'
export type { DemandForecast, ForecastOptions, KnownDemand, UnknownDemand } from './demand/forecast.ts'
export { forecastDemand, usualDemand } from './demand/forecast.ts'
export type { DemandHistory, LocalOffset } from './demand/history.ts'
export type { Quantiles, Score } from './demand/score.ts'
export { scoreOf } from './demand/score.ts'
export type { Forecast, SpentDay } from './forecast.ts'
export { forecastMonthEnd } from './forecast.ts'
export type { RecordShape } from './framing.ts'
export { framedRecordBytes, varintBytes } from './framing.ts'
export type { CodecChoice, FetchChoice, Grid } from './grid.ts'
export { GRID } from './grid.ts'
export type { Measured } from './measured-cost.ts'
export { measuredCost } from './measured-cost.ts'
export type { BrokerCpu, ModelConstants } from './model-constants.ts'
export { calibrated, DEFAULT_CONSTANTS } from './model-constants.ts'
export type { CrossZone, ZoneShape } from './network.ts'
export { crossZone } from './network.ts'
export type { Evidence, Hysteresis, OptimiseInput } from './optimiser.ts'
export { candidateOf, DEFAULT_EVIDENCE, DEFAULT_HYSTERESIS, LATENCY_MARGIN, optimise } from './optimiser.ts'
export type { Candidate, Constraint, ConstraintPrice, Optimum, Outcome, Rejection } from './optimum.ts'
export type { Prediction } from './prediction.ts'
export { atPeak, curveOf, predict } from './prediction.ts'
export type {
  BytesBasis,
  CapacityUnit,
  Confidence,
  Instance,
  Meter,
  Override,
  PriceBook,
  PriceBookKind,
  PriceFigure,
  Tariff,
} from './price-book.ts'
export { figureOf, instanceOf, isMeter, METERS, overrideFigures } from './price-book.ts'
export { priceBook, priceBooks } from './price-books.ts'
export { SATURATED_MS } from './producing.ts'
export type { MeterSaving, Saving } from './saving.ts'
export { saving, savingOf } from './saving.ts'
export type { Showback, ShowbackInput, ShowbackItem, ShowbackLine, ShowbackReader, Weight } from './showback.ts'
export { idleShares, showback } from './showback.ts'
export type { Stored, StoredInput } from './storage.ts'
export { FOREVER_MS, SEGMENT_BYTES, segmentMs, storedBytes } from './storage.ts'
export { GB, GIB, HOURS_PER_MONTH, SECONDS_PER_MONTH, TB } from './units.ts'
export type { Workload, WorkloadGroup } from './workload.ts'
export { assumedWorkload, checkWorkload } from './workload.ts'
