/**
 * The change feed within one process (ports/change-feed.ts).
 */
import type { ChangeFeed, Commit } from './ports/change-feed.ts'

export class LocalFeed implements ChangeFeed {
  readonly #mirrors = new Set<(commit: Commit) => void>()
  readonly #subscribers = new Set<(commit: Commit) => void>()
  #position = 0

  get position(): number {
    return this.#position
  }

  mirror(listener: (commit: Commit) => void): () => void {
    this.#mirrors.add(listener)
    return () => this.#mirrors.delete(listener)
  }

  subscribe(listener: (commit: Commit) => void): () => void {
    this.#subscribers.add(listener)
    return () => this.#subscribers.delete(listener)
  }

  /** In the order of positions (F2). A listener that fails keeps no other from hearing of it. */
  publish(commit: Commit): void {
    this.#position = commit.position
    const problems: unknown[] = []
    for (const listener of [...this.#mirrors, ...this.#subscribers]) {
      try {
        listener(commit)
      } catch (error) {
        problems.push(error)
      }
    }
    if (problems.length > 0) throw problems[0]
  }
}
