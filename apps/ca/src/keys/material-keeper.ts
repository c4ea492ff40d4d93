/**
 * Keeps a replica's signing material in step with the Secrets: what the operator wants, and the rotation under way.
 * Replicas only look; the leader also records the next step of a rotation. What cannot be read changes nothing.
 */
import { type Clock, delay } from '@ambit/runtime';
import { CaError } from '../ca-error.ts';
import type { CertificateAuthority } from '../issue/certificate-authority.ts';
import { revocationsKey } from '../trust/revocation-config-map.ts';
import {
  type RotationContent,
  type RotationRecord,
  readRotation,
  rotationSecretName,
  writeRotation,
} from './rotation-record.ts';
import {
  type PresentTrust,
  type RotationStep,
  type TrustFacts,
  chooseSigner,
  isDirect,
  planRotation,
} from './rotation-plan.ts';
import type { SecretStore, StoredSecret } from './secret-store.ts';
import type { SetMaker } from './set-maker.ts';
import { type MaterialPem, type SigningMaterial, checkMaterial, joinRoots, trustFactsOf } from './signing-material.ts';
import {
  type TargetSet,
  broughtSecretName,
  madeContent,
  makeTarget,
  readOtherSets,
  readTarget,
  rotateAnnotation,
} from './target-secret.ts';

/** What workloads were last told to trust, as far as it is published. */
export interface PublishedTrust {
  /** Root of the signer at that time; undefined if whoever published it did not say. */
  readonly root: string | undefined;
  readonly roots: readonly string[];
  readonly pem: string;
}

/** What the keeper works with. */
export interface MaterialKeeperOptions {
  readonly store: SecretStore;
  readonly maker: SetMaker;
  /** Length of each of the two phases of a rotation; at least the life of a workload's certificate. */
  readonly stepMs: number;
  readonly clock: Clock;
  /** What is published in the CA's own namespace; undefined if nothing is. */
  readonly published: () => Promise<PublishedTrust | undefined>;
}

interface Present {
  readonly pem: MaterialPem;
  readonly material: SigningMaterial;
  readonly trust: PresentTrust;
}

/** What the Secrets said at one look. */
interface Sight {
  readonly target: TargetSet;
  readonly rotation: RotationRecord | undefined;
  readonly rotationVersion: string | undefined;
}

/** How long a fresh replica waits for a leader to record a change that it may not make itself. */
const RECORD_WAIT_MS = 10_000;
const RECORD_POLL_MS = 500;
const NEVER: AbortSignal = new AbortController().signal;
/** Time between attempts to renew a made set that failed: each leaves work for others. */
const RENEW_RETRY_MS = 300_000;

export class MaterialKeeper {
  readonly #options: MaterialKeeperOptions;
  #present: Present;
  #rotationVersion: string | undefined;
  #revocations = '';
  #authority: CertificateAuthority | undefined;
  #renewAfterMs = 0;

  private constructor(options: MaterialKeeperOptions, present: Present) {
    this.#options = options;
    this.#present = present;
  }

  /**
   * Reads the material for a fresh start, or makes it when there has never been any. Rejects with CaError
   * KEY_MATERIAL_INCOMPLETE, KEY_MATERIAL_INVALID, or ROOT_CHANGE_REFUSED when what is there would cut workloads off, and
   * with the store's error when it cannot be asked.
   */
  static async open(options: MaterialKeeperOptions): Promise<MaterialKeeper> {
    const { clock } = options;
    const deadlineMs = clock.nowMs() + RECORD_WAIT_MS;
    for (;;) {
      const published = await options.published();
      const sight = await firstSight(options, published);
      const present = await firstPresent(options, sight, published);
      if (present !== undefined) {
        const keeper = new MaterialKeeper(options, present);
        keeper.#rotationVersion = sight.rotationVersion;
        keeper.#revocations = revocationsOf(sight.target);
        return keeper;
      }
      if (clock.nowMs() >= deadlineMs) throw unplannedRoot(sight.target);
      await delay(RECORD_POLL_MS, { signal: NEVER });
    }
  }

  /** Material to begin with. */
  get material(): SigningMaterial {
    return this.#present.material;
  }

  /** Revocation lists the operator has put beside the keys, as they are; empty if there are none. */
  get revocations(): string {
    return this.#revocations;
  }

  /** The rotation under way, for status. */
  get rotation(): PresentTrust['rotation'] {
    return this.#present.trust.rotation;
  }

  /** From now on changes are given to `authority`, which was made with {@link material}. */
  serve(authority: CertificateAuthority): void {
    this.#authority = authority;
  }

  /**
   * Reads the Secrets and puts what they say in force. Rejects, changing nothing, if they cannot be read or hold material
   * that cannot be used.
   */
  async look(): Promise<void> {
    await this.#look();
  }

  /** {@link look}, then the leader's next step, if it is due. Resolves to what was done or is waited for. */
  async lead(isPublished: boolean): Promise<RotationStep> {
    const { clock, stepMs } = this.#options;
    const sight = await this.#look();
    if (await this.#renewMade(sight)) return { kind: 'begin', bundle: [] };
    const { target, rotation } = sight;
    const nowMs = clock.wallTimeMs();
    const step = planRotation({
      target: trustFactsOf(target.material),
      rotation: rotation?.facts,
      present: this.#present.trust,
      nowMs,
      stepMs,
      isPublished,
    });
    if (step.kind === 'rest' || step.kind === 'wait') return step;
    await this.#take(step, sight, nowMs);
    await this.#look();
    return step;
  }

  async #look(): Promise<Sight> {
    const { clock } = this.#options;
    const wallTimeMs = clock.wallTimeMs();
    const sight = await readSight(this.#options, wallTimeMs);
    const target = trustFactsOf(sight.target.material);
    const { trust } = this.#present;
    const choice = chooseSigner(target, sight.rotation?.facts, trust);
    this.#revocations = revocationsOf(sight.target);
    if (choice === 'keep' && sight.rotation === undefined) return sight;
    const next = buildPresent(choice, sight, this.#present, wallTimeMs);
    if (isSame(next.pem, this.#present.pem) && sight.rotationVersion === this.#rotationVersion) return sight;
    this.#authority?.replace(next.material, 'planned');
    this.#present = next;
    this.#rotationVersion = sight.rotationVersion;
    return sight;
  }

  async #take(step: RotationStep, sight: Sight, sinceMs: number): Promise<void> {
    const { store } = this.#options;
    const { rotation, rotationVersion } = sight;
    const target = sight.target.material;
    const bundlePem = joinRoots(rotation?.bundlePem ?? this.#present.pem.roots, sight.target.pem.roots);
    if (step.kind === 'begin') {
      const previous = this.#present.pem;
      await this.#record({ phase: 'publish', sinceMs, previous, bundlePem, target }, rotationVersion);
    } else if (step.kind === 'finish') {
      await store.remove(rotationSecretName);
    } else if (rotation !== undefined) {
      const phase = step.kind === 'switch' ? 'switch' : rotation.facts.phase;
      await this.#record({ phase, sinceMs, previous: rotation.previous, bundlePem, target }, rotationVersion);
    }
  }

  /** A conflict means that somebody else wrote first: the next round sees what. */
  async #record(content: RotationContent, version: string | undefined): Promise<void> {
    const { store } = this.#options;
    const secret = writeRotation(content);
    await (version === undefined ? store.create(secret) : store.replace(secret, version));
  }

  /**
   * Replaces a set the CA keeps for itself, when its life ends or the operator asks. The present set is recorded before a
   * new root appears: it has to go on signing while that is published.
   */
  async #renewMade({ target, rotation }: Sight): Promise<boolean> {
    if (target.origin === 'brought' || rotation !== undefined) return false;
    const { store, maker, clock } = this.#options;
    const wallTimeMs = clock.wallTimeMs();
    const { notBeforeMs, notAfterMs } = target.material.signingCertificate;
    const isSuperseded = target.origin === 'superseded';
    const isOld = notAfterMs - wallTimeMs < (notAfterMs - notBeforeMs) * maker.renewAtPart;
    if (!isSuperseded && !isOld && target.secret.annotations[rotateAnnotation] === undefined) return false;
    if (clock.nowMs() < this.#renewAfterMs) return false;
    const fresh = await maker.make().catch((error: unknown) => {
      this.#renewAfterMs = clock.nowMs() + RENEW_RETRY_MS;
      throw error;
    });
    const material = checkMaterial(fresh, wallTimeMs);
    if (!isDirect(this.#present.trust, trustFactsOf(material))) {
      const { pem } = this.#present;
      const record = { phase: 'publish' as const, sinceMs: wallTimeMs, previous: pem, bundlePem: pem.roots };
      if (!(await store.create(writeRotation({ ...record, target: material })))) return false;
    }
    const content = madeContent(maker, fresh);
    await (isSuperseded ? store.create(content) : store.replace(content, target.secret.version));
    return true;
  }
}

async function readSight(options: MaterialKeeperOptions, wallTimeMs: number): Promise<Sight> {
  const { store, maker } = options;
  // The record first: a target that is read later is never older than the record.
  const secret = await store.read(rotationSecretName);
  const target = await readTarget(store, maker, wallTimeMs);
  if (target === undefined) throw noTarget(maker);
  return { target, ...readRecord(secret, wallTimeMs) };
}

async function firstSight(options: MaterialKeeperOptions, published: PublishedTrust | undefined): Promise<Sight> {
  const { store, maker, clock } = options;
  const wallTimeMs = clock.wallTimeMs();
  const secret = await store.read(rotationSecretName);
  const found = await readTarget(store, maker, wallTimeMs);
  if (found === undefined && (published !== undefined || secret !== undefined)) throw noTarget(maker);
  const target = found ?? (await makeTarget(store, maker, wallTimeMs));
  return { target, ...readRecord(secret, wallTimeMs) };
}

function readRecord(secret: StoredSecret | undefined, wallTimeMs: number): Pick<Sight, 'rotation' | 'rotationVersion'> {
  if (secret === undefined) return { rotation: undefined, rotationVersion: undefined };
  return { rotation: readRotation(secret, wallTimeMs), rotationVersion: secret.version };
}

/**
 * What a fresh replica begins with: the target if it follows from what is published, else another set that does, from
 * which the leader will rotate. Undefined when every set would cut off workloads that trust what is published.
 */
async function firstPresent(
  { store, maker, clock }: MaterialKeeperOptions,
  sight: Sight,
  published: PublishedTrust | undefined,
): Promise<Present | undefined> {
  const wallTimeMs = clock.wallTimeMs();
  const { target, rotation } = sight;
  if (rotation !== undefined || published === undefined) {
    const choice = chooseSigner(trustFactsOf(target.material), rotation?.facts, undefined);
    return buildPresent(choice, sight, undefined, wallTimeMs);
  }
  const others = isFollowing(published, target) ? [] : await readOtherSets(store, maker, target, wallTimeMs);
  const first = [target, ...others].find((set) => isFollowing(published, set));
  if (first === undefined) return undefined;
  // Roots that are still published stay trusted; the leader takes them away by a rotation.
  return buildPresent('target', { ...sight, target: first }, undefined, wallTimeMs, published.pem);
}

/** Only who brings keys can bring lists. */
function revocationsOf({ origin, secret }: TargetSet): string {
  return origin === 'brought' ? (secret.data[revocationsKey] ?? '') : '';
}

function isFollowing(published: PublishedTrust, { material }: TargetSet): boolean {
  const { signingRoot } = material;
  // Published by someone who did not name the signer, such as istiod: any of its roots may be the signer's.
  return published.root === undefined ? published.roots.includes(signingRoot) : published.root === signingRoot;
}

/** The set to use. `present` is needed for `keep`. */
function buildPresent(
  choice: ReturnType<typeof chooseSigner>,
  { target, rotation }: Sight,
  present: Present | undefined,
  wallTimeMs: number,
  moreRoots: string = '',
): Present {
  const signer = choice === 'target' ? target.pem : choice === 'previous' ? rotation?.previous : present?.pem;
  if (signer === undefined) throw new CaError('KEY_MATERIAL_INCOMPLETE', 'the rotation names no signer');
  const roots = joinRoots(rotation?.bundlePem ?? '', target.pem.roots, moreRoots);
  const pem = { ...signer, roots };
  const material = checkMaterial(pem, wallTimeMs);
  const facts: TrustFacts = trustFactsOf(material);
  return { pem, material, trust: { ...facts, rotation: rotation?.facts } };
}

function isSame(one: MaterialPem, other: MaterialPem): boolean {
  return (
    one.signingCertificate === other.signingCertificate &&
    one.signingKey === other.signingKey &&
    one.roots === other.roots &&
    one.chain === other.chain
  );
}

function noTarget({ secretName }: SetMaker): CaError {
  return new CaError(
    'KEY_MATERIAL_INCOMPLETE',
    `there is neither Secret ${broughtSecretName} nor Secret ${secretName}, but the mesh trusts roots already: restore the Secret, or, ` +
      'to begin with a new root that no running workload trusts, delete ConfigMap istio-ca-root-cert and Secret ' +
      `${rotationSecretName} in the CA's namespace`,
  );
}

function unplannedRoot({ secret, material }: TargetSet): CaError {
  return new CaError(
    'ROOT_CHANGE_REFUSED',
    `Secret ${secret.name} has the root ${material.signingRoot}, which does not follow from the roots that the mesh ` +
      'trusts, and no running replica knows the previous key: restore the previous Secret and change it while the CA runs. ' +
      "If Istio's istiod publishes roots in this cluster, copy its Secret cacerts or istio-ca-secret. To cut running " +
      "workloads off and go on, delete ConfigMap istio-ca-root-cert in the CA's namespace",
    { source: 'policy' },
  );
}
