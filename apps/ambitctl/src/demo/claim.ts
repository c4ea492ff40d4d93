/** What the demonstration promises, and what it saw. */
import type { Lab } from '../lab/lab.ts';

/** One proven or refuted promise. */
export interface Claim {
  /** `1.2`: group and number. */
  readonly id: string;
  /** What is promised, as a sentence. */
  readonly text: string;
  /** What was observed, with numbers. */
  readonly observed: string;
  readonly isProven: boolean;
}

export interface ClaimContext {
  readonly lab: Lab;
  /** Says what is being done, for somebody who watches. */
  readonly narrate: (line: string) => void;
  /** Reports one claim; later ones of the group may go on. */
  readonly report: (claim: Claim) => void;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Claims that belong together. A group finds the lab without any namespace in the mesh and leaves it so. */
export interface ClaimGroup {
  readonly id: string;
  readonly title: string;
  /** Throws only when the group itself cannot go on; that counts as a refuted claim. */
  prove(context: ClaimContext): Promise<void>;
}
