import type { MetricRegistry } from '@ambit/telemetry';
import type { NodeAssignments } from '../callers/node-authorizer.ts';
import type { TokenJudge } from '../callers/token-authenticator.ts';
import type { CertificateAuthority } from '../issue/certificate-authority.ts';
import type { SigningMaterial } from '../keys/signing-material.ts';

/** Where a CA learns what to sign with, whose tokens to accept, and which pods run where. Disposing stops following. */
export interface CaSource extends AsyncDisposable {
  /** Material to begin with. */
  readonly material: SigningMaterial;
  /** Undefined: no tokens are accepted. */
  readonly tokens: TokenJudge | undefined;
  readonly assignments: NodeAssignments;
  /** Gives each later change of the material to `authority`, which was made with {@link material}. Called once. */
  serve(authority: CertificateAuthority): void;
  /** Adds what the source counts. */
  observe(registry: MetricRegistry): void;
}
