/**
 * The rotation of a root as a state machine. Pure: it sees fingerprints only and says what to do next.
 *
 *     (none) --begin--> publish --one step--> switch --one step--> (none)
 *                       old signer            new signer
 *                       both roots            both roots          new roots only
 *
 * One step is at least the life of a workload's certificate, so that every workload has renewed in between. Invariant: at
 * any time each certificate in use leads to a root that every workload trusts. A change of mind in the middle starts the
 * phase over and never takes a root away early. Spec: control-plane contract 6.4 and trap 43.
 */

/** What decides whether workloads accept each other. Fingerprints are SHA-256, as the platform prints them. */
export interface TrustFacts {
  /** Root that certificates signed now lead to. */
  readonly root: string;
  /** Roots that are trusted. */
  readonly roots: readonly string[];
}

/** A rotation under way, as all replicas see it. */
export interface RotationFacts {
  readonly phase: 'publish' | 'switch';
  /** Wall time at which the phase began. */
  readonly sinceMs: number;
  /** The signer before the rotation. */
  readonly previous: TrustFacts;
  /** Roots that stay trusted until the rotation has ended. */
  readonly bundle: readonly string[];
  /** Root that is being introduced. */
  readonly targetRoot: string;
}

/** Which signer a replica has to use now. `keep`: the one it has, until the leader has recorded the change. */
export type SignerChoice = 'target' | 'previous' | 'keep';

/** What the leader has to write. */
export type RotationStep =
  | { readonly kind: 'rest' }
  | { readonly kind: 'wait'; readonly ms: number }
  /** Record a rotation whose previous signer is the one in force. */
  | { readonly kind: 'begin'; readonly bundle: readonly string[] }
  /** Record another target or bundle in the same phase, from now on. */
  | { readonly kind: 'restart'; readonly bundle: readonly string[] }
  | { readonly kind: 'switch' }
  | { readonly kind: 'finish' };

/** Everything the plan depends on. */
export interface RotationSituation {
  /** The set that the operator wants, or the CA made. */
  readonly target: TrustFacts;
  readonly rotation: RotationFacts | undefined;
  readonly present: PresentTrust;
  readonly nowMs: number;
  readonly stepMs: number;
  /** The bundle in force has reached every namespace. */
  readonly isPublished: boolean;
}

/** True if `next` may follow `present` at once: certificates lead to the same root, and no root is taken away. */
export function isDirect(present: TrustFacts, next: TrustFacts): boolean {
  return present.root === next.root && includesAll(next.roots, present.roots);
}

/** What a replica uses; undefined after a fresh start. */
export interface PresentTrust extends TrustFacts {
  /** The rotation under which it was put in force. */
  readonly rotation: RotationFacts | undefined;
}

/** The signer for a replica that uses `present`. */
export function chooseSigner(
  target: TrustFacts,
  rotation: RotationFacts | undefined,
  present: PresentTrust | undefined,
): SignerChoice {
  if (rotation === undefined) return present === undefined || mayRest(present, target) ? 'target' : 'keep';
  if (rotation.phase === 'publish') return 'previous';
  if (rotation.targetRoot === target.root) return 'target';
  // Another set has come and is not recorded yet. After a fresh start the previous signer is one that everybody trusts.
  return present === undefined ? 'previous' : 'keep';
}

/** True if `target` may be used without a rotation: it follows directly, or the rotation to it has just ended. */
function mayRest(present: PresentTrust, target: TrustFacts): boolean {
  const ended = present.rotation;
  if (ended === undefined) return isDirect(present, target);
  return ended.phase === 'switch' ? ended.targetRoot === target.root : isDirect(ended.previous, target);
}

/** Roots to trust now. During a rotation nothing is taken away. */
export function rootsInForce(target: TrustFacts, rotation: RotationFacts | undefined): readonly string[] {
  return rotation === undefined ? target.roots : unionOf(rotation.bundle, target.roots);
}

/** The leader's next step. */
export function planRotation(situation: RotationSituation): RotationStep {
  const { target, rotation, present, nowMs, stepMs, isPublished } = situation;
  if (rotation === undefined) {
    return mayRest(present, target)
      ? { kind: 'rest' }
      : { kind: 'begin', bundle: unionOf(present.roots, target.roots) };
  }
  const bundle = unionOf(rotation.bundle, target.roots);
  if (rotation.targetRoot !== target.root) {
    if (rotation.phase === 'switch') return { kind: 'begin', bundle };
    // Nothing was signed by the root that is given up.
    return isDirect(rotation.previous, target) ? { kind: 'finish' } : { kind: 'restart', bundle };
  }
  if (bundle.length > rotation.bundle.length) return { kind: 'restart', bundle };
  const restMs = rotation.sinceMs + stepMs - nowMs;
  if (restMs > 0) return { kind: 'wait', ms: restMs };
  if (!isPublished) return { kind: 'wait', ms: 0 };
  return { kind: rotation.phase === 'publish' ? 'switch' : 'finish' };
}

function unionOf(first: readonly string[], second: readonly string[]): readonly string[] {
  return [...new Set([...first, ...second])];
}

function includesAll(all: readonly string[], some: readonly string[]): boolean {
  return some.every((root) => all.includes(root));
}
