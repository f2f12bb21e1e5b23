/**
 * The known word that a wrong one was most likely meant to be.
 */

/** `; did you mean 'retention'?` when one of the words is near, else nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const near = nearest(word, known)
  return near === undefined ? '' : `; did you mean '${near}'?`
}

/** A word counts as near when a third of it, or two letters, would have to change, or when it begins with what was typed. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const typed = word.toLowerCase()
  return known
    .map((candidate) => ({ candidate, distance: editDistance(typed, candidate.toLowerCase()) }))
    .filter(
      ({ candidate, distance }) =>
        (distance <= Math.max(2, candidate.length / 3) && distance < candidate.length) ||
        candidate.toLowerCase().startsWith(typed),
    )
    .toSorted((a, b) => a.distance - b.distance)[0]?.candidate
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      row.push(Math.min(row[j - 1]! + 1, previous[j]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    previous = row
  }
  return previous[b.length]!
}
