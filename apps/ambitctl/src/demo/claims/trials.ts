/** Attacks on the mesh, tried one after the other. */
import type { ClaimContext } from '../claim.ts';
import type { Credentials } from '../observe/attack.ts';

/** What one attack came to. */
export interface Outcome {
  readonly observed: string;
  readonly isRefused: boolean;
}

/** One attack after the other, each followed by a look at what it did to the mesh. */
export interface Trials {
  readonly context: ClaimContext;
  readonly attacker: string;
  readonly victim: { readonly pod: string; readonly node: string; readonly address: string };
  /** A good certificate of the attacker's own. */
  readonly own: Credentials;
  /** The certificate of the one caller the policy admits. */
  readonly admitted: Credentials;
  prove(text: string, run: () => Promise<Outcome>): Promise<void>;
}
