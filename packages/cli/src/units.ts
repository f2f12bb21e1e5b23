/** Numbers the way people read them. */

const GROUPS = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

/** `1234567` is `1,234,567`. */
export function formatCount(count: number): string {
  return GROUPS.format(count)
}

/** Three significant digits: `0.25`, `12.5`, `1,250`. */
export function formatRate(perSecond: number): string {
  if (perSecond >= 100) return formatCount(perSecond)
  return String(Number(perSecond.toPrecision(3)))
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let size = bytes
  let unit = 0
  while (size >= 1_024 && unit < units.length - 1) {
    size /= 1_024
    unit += 1
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`
}

export function formatMs(durationMs: number): string {
  if (durationMs >= 120_000) return `${(durationMs / 60_000).toFixed(1)} min`
  if (durationMs >= 1_000) return `${(durationMs / 1_000).toFixed(1)} s`
  if (durationMs >= 100) return `${durationMs.toFixed(0)} ms`
  return `${Number(durationMs.toPrecision(2))} ms`
}

/** How long ago: `12s`, `5m`, `3h`, `9d`. */
export function formatAge(ageMs: number): string {
  const ageS = Math.max(0, Math.round(ageMs / 1_000))
  if (ageS < 120) return `${ageS}s`
  if (ageS < 7_200) return `${Math.round(ageS / 60)}m`
  if (ageS < 172_800) return `${Math.round(ageS / 3_600)}h`
  return `${Math.round(ageS / 86_400)}d`
}

/** `1 message`, `2 messages`. */
export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : many}`
}

const USD = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD' })

/** `$1,234.56`; what is less than half a cent and not nothing says so. */
export function formatUsd(usd: number): string {
  if (usd > 0 && usd < 0.005) return '<$0.01'
  return USD.format(usd > -0.005 ? Math.max(0, usd) : usd)
}

/** Amounts that stand below one another with their sum: as many decimals as it takes to see a part of that sum. */
export function usdBeside(sumUsd: number): (usd: number) => string {
  const decimals = sumUsd >= 1 || sumUsd <= 0 ? 2 : sumUsd >= 0.01 ? 4 : 6
  const format = new Intl.NumberFormat('en-US', {
    style: 'currency',
    currency: 'USD',
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  })
  return (usd) => {
    const least = 10 ** -decimals
    if (usd > 0 && usd < least / 2) return `<${format.format(least)}`
    return format.format(usd)
  }
}
