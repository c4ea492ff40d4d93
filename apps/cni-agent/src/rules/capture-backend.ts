/** What programs, reads back and removes the rules of one pod: iptables in either variant, or nftables. */
import type { NamespacePlace } from './namespace-shell.ts';
import type { CaptureOptions, CapturePhase } from './rule-model.ts';

/** How the rules found relate to the rules wanted. */
export type CaptureFinding = 'equal' | 'absent' | 'different';

/** How to program the namespace one is in, which has to be empty, and to show what it holds then; for `sh -c`. */
export interface CaptureRecipe {
  readonly script: string;
  /** The script's `$1` and so on. */
  readonly words: readonly string[];
  /** The script's standard input. */
  readonly stdin: string;
  /** Prints the same for the same rules, except for lines that begin with `#`. */
  readonly print: string;
}

export interface CaptureBackend {
  /** For logs: `iptables-nft`, `iptables-legacy` or `nftables`. */
  readonly name: string;
  inspect(place: NamespacePlace, options: CaptureOptions, phase: CapturePhase): Promise<CaptureFinding>;
  /** Each table is replaced in one step; what is there already is taken over, unless the namespace is known to be empty. */
  apply(place: NamespacePlace, options: CaptureOptions, phase: CapturePhase, isFresh: boolean): Promise<void>;
  /** Undefined when the kernel keeps these rules elsewhere than in nftables. */
  recipe(options: CaptureOptions, phase: CapturePhase): CaptureRecipe | undefined;
  remove(place: NamespacePlace): Promise<void>;
  /** Drops all TCP and UDP until `unguard`, so that nothing leaves uncaptured while rules are being repaired. */
  guard(place: NamespacePlace): Promise<void>;
  unguard(place: NamespacePlace): Promise<void>;
}
