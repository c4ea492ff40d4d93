/** Brings clusters up, proves what the mesh promises on them, and takes them down whatever happens. */
import { once } from 'node:events';
import { ExistingCluster, LabCluster, type Cluster, type LabSettings, type ProxyMode } from '@ambit/kube-lab';
import { toAmbitError } from '@ambit/runtime';
import { claimLine, summaryLine, type Claim, type ClaimContext, type ClaimGroup } from './claim.ts';
import { claimGroups } from './claims/claim-groups.ts';
import { dualClaims } from './claims/dual-claims.ts';
import { Guest } from './cluster/guest.ts';
import { Mesh } from './cluster/mesh.ts';
import { Objects } from './cluster/objects.ts';
import { E2eError } from './e2e-error.ts';

export interface E2eOptions {
  readonly settings: LabSettings;
  /** A cluster that was brought along, instead of labs of our own. */
  readonly kubeconfig: string | undefined;
  /** Ids of the groups to run; all when undefined. */
  readonly only: readonly string[] | undefined;
  /** The nodes have the images already, or can pull them: those of `npm run images` and of `kube-lab build`. */
  readonly hasImages: boolean;
  /** Leaves the cluster as it is at the end, for somebody who wants to look. */
  readonly keeps: boolean;
  /** Goes on with the lab that an earlier run left, with the images that it has. */
  readonly attaches: boolean;
  readonly write: (line: string) => void;
}

interface Stage {
  readonly groups: readonly ClaimGroup[];
  readonly isDual: boolean;
  readonly proxyMode: ProxyMode;
}

const STAGES: readonly Stage[] = [
  { groups: claimGroups, isDual: false, proxyMode: 'nftables' },
  { groups: [dualClaims], isDual: true, proxyMode: 'iptables' },
];

export class E2eRun {
  readonly #options: E2eOptions;
  readonly #claims: Claim[] = [];
  readonly #stopping = new AbortController();
  readonly #startMs = performance.now();

  constructor(options: E2eOptions) {
    this.#options = options;
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => this.#stopping.abort(new E2eError('NOT_READY', 'interrupted')));
  }

  /** @returns true when no claim was refuted and nothing was in the way */
  async run(): Promise<boolean> {
    const { write } = this.#options;
    try {
      const images = this.#options.attaches ? [] : await Mesh.buildImages((line) => this.#narrate(line));
      for (const stage of STAGES) await this.#runStage(stage, images);
    } catch (cause) {
      this.#report({
        kind: 'refuted',
        id: '0.1',
        text: 'the clusters can be looked at',
        observed: toAmbitError(cause).message,
      });
    }
    write(`total time ${this.#seconds()}${this.#stopping.signal.aborted ? ', interrupted' : ''}`);
    write(summaryLine(this.#claims));
    return !this.#stopping.signal.aborted && this.#claims.every(({ kind }) => kind !== 'refuted');
  }

  async #runStage(stage: Stage, images: readonly string[]): Promise<void> {
    const { only, kubeconfig, keeps } = this.#options;
    const groups = stage.groups.filter(({ id }) => only === undefined || only.includes(id));
    if (groups.length === 0 || this.#stopping.signal.aborted) return;
    if (stage.isDual && kubeconfig !== undefined) {
      for (const { id, title } of groups)
        this.#report({ kind: 'skipped', id, text: title, reason: 'the cluster was brought along' });
      return;
    }
    const cluster = await this.#cluster(stage);
    let guest: Guest | undefined;
    try {
      const [first, second] = await cluster.nodes();
      if (first === undefined || second === undefined) throw new E2eError('NOT_READY', 'two nodes are needed');
      const objects = new Objects(cluster, [first, second]);
      const mesh = new Mesh(cluster, objects);
      if (kubeconfig !== undefined && !this.#options.attaches) guest = await Guest.arrive(cluster, mesh);
      if (images.length > 0 && !this.#options.hasImages) {
        this.#narrate('loading images');
        await cluster.loadImages(images);
      }
      for (const group of groups) {
        if (this.#stopping.signal.aborted) return;
        await this.#runGroup(group, { cluster, objects, mesh, nodes: [first, second] });
      }
    } finally {
      if (keeps) cluster.release();
      else {
        await guest?.leave();
        await cluster[Symbol.asyncDispose]();
      }
    }
  }

  #cluster(stage: Stage): Promise<Cluster> {
    const { kubeconfig, settings } = this.#options;
    if (kubeconfig !== undefined) return ExistingCluster.attach(kubeconfig, settings);
    if (this.#options.attaches) return Promise.resolve(LabCluster.attach(settings));
    return LabCluster.up(settings, {
      nodes: 2,
      isDual: stage.isDual,
      isControlPlaneOnly: false,
      proxyMode: stage.proxyMode,
      apiServerArguments: [],
      kubeletArguments: [],
      progress: (line) => this.#narrate(line),
    });
  }

  async #runGroup(
    group: ClaimGroup,
    place: Pick<ClaimContext, 'cluster' | 'objects' | 'mesh' | 'nodes'>,
  ): Promise<void> {
    this.#options.write(`\n${group.id}. ${group.title}`);
    const startMs = performance.now();
    const deadline = AbortSignal.timeout(group.timeoutMs);
    const signal = AbortSignal.any([this.#stopping.signal, deadline]);
    try {
      const proof = group.prove({
        ...place,
        signal,
        narrate: (line) => this.#narrate(line),
        report: (id, text, isProven, observed) =>
          this.#report({ kind: isProven ? 'proven' : 'refuted', id, text, observed }),
        skip: (id, text, reason) => this.#report({ kind: 'skipped', id, text, reason }),
      });
      await Promise.race([proof, once(signal, 'abort')]);
      if (deadline.aborted) throw new E2eError('NOT_READY', `did not end within ${group.timeoutMs / 1_000} s`);
    } catch (cause) {
      const observed = toAmbitError(cause).message;
      this.#report({
        kind: 'refuted',
        id: `${group.id}.x`,
        text: 'the claims of this group can be looked at',
        observed,
      });
    }
    this.#options.write(`  took ${secondsSince(startMs)}`);
  }

  #report(claim: Claim): void {
    this.#claims.push(claim);
    this.#options.write(claimLine(claim));
  }

  #narrate(line: string): void {
    process.stderr.write(`  ${this.#seconds()} ${line}\n`);
  }

  #seconds(): string {
    return secondsSince(this.#startMs);
  }
}

function secondsSince(startMs: number): string {
  return `${((performance.now() - startMs) / 1_000).toFixed(1)} s`;
}
