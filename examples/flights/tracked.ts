/** The mQ ID that departures are tracked by as they happen. */
export const TRACKED = 'flights.tracked'
