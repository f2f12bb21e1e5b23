/** How a repository tells what it wrote, for the change feed. */
import type { Change } from '../ports/change-feed.ts'

export type Changed = (change: Change) => void
