/** What programs, reads back and removes the rules of one pod: iptables in either variant, or nftables. */
import type { NamespacePlace } from './namespace-shell.ts';
import type { CaptureOptions, CapturePhase } from './rule-model.ts';

/** How the rules found relate to the rules wanted. */
export type CaptureFinding = 'equal' | 'absent' | 'different';

export interface CaptureBackend {
  /** For logs: `iptables-nft`, `iptables-legacy` or `nftables`. */
  readonly name: string;
  inspect(place: NamespacePlace, options: CaptureOptions, phase: CapturePhase): Promise<CaptureFinding>;
  /** Each table is replaced in one step; what is there already is taken over, unless the namespace is known to be empty. */
  apply(place: NamespacePlace, options: CaptureOptions, phase: CapturePhase, isFresh: boolean): Promise<void>;
  remove(place: NamespacePlace): Promise<void>;
  /** Drops all TCP and UDP until `unguard`, so that nothing leaves uncaptured while rules are being repaired. */
  guard(place: NamespacePlace): Promise<void>;
  unguard(place: NamespacePlace): Promise<void>;
}
