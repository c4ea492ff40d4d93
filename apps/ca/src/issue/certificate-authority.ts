/**
 * Signs with the material in force and replaces it without a moment in which peers could not verify each other.
 * Spec: control-plane contract 6.1 step 4-6, 6.4 and trap 43.
 */
import { type SubjectAltNames, encodePem } from '@ambit/identity';
import type { Clock } from '@ambit/runtime';
import { CaError } from '../ca-error.ts';
import type { SigningMaterial } from '../keys/signing-material.ts';

/** What to certify. */
export interface IssueRequest {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyInfo: Uint8Array;
  readonly altNames: SubjectAltNames;
  readonly commonName: string;
  readonly ttlMs: number;
}

/** A signed certificate with all that a caller needs to use it. */
export interface Issued {
  /** Leaf, intermediates one by one, root bundle last. */
  readonly certChain: readonly string[];
  /** Hexadecimal. */
  readonly serialHex: string;
  readonly notAfterMs: number;
}

/** What changed when material was replaced. */
export interface MaterialChange {
  readonly material: SigningMaterial;
  readonly addedRoots: readonly string[];
  readonly removedRoots: readonly string[];
  readonly isNewSigner: boolean;
}

/** Istio: certificates are valid from two minutes ago, for nodes whose clocks differ. */
const BACKDATE_MS = 120_000;

/** The authority; owns the material given to it. */
export class CertificateAuthority {
  readonly #clock: Clock;
  readonly #listeners = new Set<(change: MaterialChange) => void>();
  #material: SigningMaterial;

  constructor(material: SigningMaterial, clock: Clock) {
    this.#material = material;
    this.#clock = clock;
  }

  /** The material in force. */
  get material(): SigningMaterial {
    return this.#material;
  }

  /** Signs one leaf. The life is cut at the signer's end. Throws CaError SIGNER_EXPIRED. */
  issue(request: IssueRequest): Issued {
    const { signer, signingCertificate, intermediatesPem, rootsPem } = this.#material;
    const now = this.#clock.wallTimeMs();
    if (now >= signingCertificate.notAfterMs)
      throw new CaError('SIGNER_EXPIRED', 'the signing certificate has expired');
    const notAfterMs = Math.min(now + request.ttlMs, signingCertificate.notAfterMs);
    const leaf = signer.issueLeaf({
      publicKeyInfo: request.publicKeyInfo,
      altNames: request.altNames,
      commonName: request.commonName,
      notBeforeMs: now - BACKDATE_MS,
      notAfterMs,
    });
    return {
      certChain: [encodePem('CERTIFICATE', leaf.der), ...intermediatesPem, rootsPem],
      serialHex: leaf.serialHex,
      notAfterMs,
    };
  }

  /**
   * Puts new material in force and tells listeners. Refused with CaError ROOT_CHANGE_REFUSED, leaving the old material:
   * a bundle that shares no root with the present one, and a signer whose root is not in the present bundle yet, because
   * workloads that hold only the present bundle would refuse its certificates. A root is therefore rotated in three
   * steps: bundle old+new, then the new signer, then the bundle without the old root, half a certificate life apart.
   * `planned` material is a step of a rotation that all replicas make and is taken as it is: a replica that missed the
   * step before must not stay behind.
   */
  replace(material: SigningMaterial, origin: 'planned' | 'unplanned' = 'unplanned'): void {
    const old = this.#material;
    const removedRoots = old.rootFingerprints.filter((root) => !material.rootFingerprints.includes(root));
    const addedRoots = material.rootFingerprints.filter((root) => !old.rootFingerprints.includes(root));
    if (origin === 'unplanned' && removedRoots.length === old.rootFingerprints.length) {
      throw refused('the new root bundle shares no root with the present one; publish both together first');
    }
    if (origin === 'unplanned' && !old.rootFingerprints.includes(material.signingRoot)) {
      throw refused(
        "the new signer's root is not in the present bundle; publish it there first, with the present signer",
      );
    }
    const isNewSigner = !Buffer.from(material.signingCertificate.der).equals(old.signingCertificate.der);
    this.#material = material;
    if (!isNewSigner && addedRoots.length === 0 && removedRoots.length === 0) return;
    for (const listener of this.#listeners) listener({ material, addedRoots, removedRoots, isNewSigner });
  }

  /** Hears of each replacement after it took effect. A listener must not throw. */
  onReplaced(listener: (change: MaterialChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }
}

function refused(reason: string): CaError {
  return new CaError('ROOT_CHANGE_REFUSED', reason, { source: 'policy' });
}
