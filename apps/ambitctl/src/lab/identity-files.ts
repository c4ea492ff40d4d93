/** Keeps tokens and the CA's view of which identity may be asked for on which node in step with the pods. */
import { randomUUID } from 'node:crypto';
import type { LabNode } from './lab-file.ts';
import type { LabPaths } from './lab-names.ts';
import { LabTokens, TOKEN_LIFETIME_SEC, writeWhole } from './lab-tokens.ts';
import type { PodSandbox } from './pod-sandbox.ts';

const TRUST_DOMAIN = 'cluster.local';
export const SYSTEM_NAMESPACE = 'istio-system';

export class IdentityFiles implements Disposable {
  readonly #tokens = new LabTokens();
  readonly #paths: LabPaths;
  readonly #nodes: readonly LabNode[];
  readonly #proxyUids: ReadonlyMap<string, string>;
  readonly #controlPlaneUid = randomUUID();
  readonly #pods: () => readonly PodSandbox[];
  readonly #written = new Set<string>();
  readonly #renewal: NodeJS.Timeout;

  constructor(paths: LabPaths, nodes: readonly LabNode[], pods: () => readonly PodSandbox[]) {
    this.#paths = paths;
    this.#nodes = nodes;
    this.#pods = pods;
    this.#proxyUids = new Map(nodes.map(({ name }) => [name, randomUUID()]));
    this.#tokens.writeJwks(paths.jwks);
    this.#renewal = setInterval(() => this.write(), (TOKEN_LIFETIME_SEC / 2) * 1_000).unref();
    this.write();
  }

  /** Name of the control plane's token file. */
  static readonly controlPlaneToken: string = 'control-plane';

  /** Name of the token file of a node's proxy. */
  static proxyToken(node: string): string {
    return `ztunnel.${node}`;
  }

  write(): void {
    const nowMs = Date.now();
    const names = new Set<string>();
    const write = (name: string, subject: Parameters<LabTokens['write']>[1]): void => {
      names.add(name);
      this.#tokens.write(this.#paths.token(name), subject, nowMs);
    };
    write(IdentityFiles.controlPlaneToken, {
      namespace: SYSTEM_NAMESPACE,
      serviceAccount: 'istiod',
      pod: 'istiod',
      podUid: this.#controlPlaneUid,
      node: 'fabric',
    });
    for (const { name: node } of this.#nodes) {
      write(IdentityFiles.proxyToken(node), {
        namespace: SYSTEM_NAMESPACE,
        serviceAccount: 'ztunnel',
        pod: `ztunnel-${node}`,
        podUid: this.#proxyUids.get(node) ?? '',
        node,
      });
    }
    const assignments: Record<string, string[]> = Object.fromEntries(this.#nodes.map(({ name }) => [name, []]));
    for (const { pod, uid, node } of this.#pods()) {
      const { namespace, name } = pod.metadata;
      const serviceAccount = pod.spec.serviceAccountName;
      write(`pod.${namespace}.${name}`, { namespace, serviceAccount, pod: name, podUid: uid, node: node.name });
      const identities = (assignments[node.name] ??= []);
      const identity = `spiffe://${TRUST_DOMAIN}/ns/${namespace}/sa/${serviceAccount}`;
      if (!identities.includes(identity)) identities.push(identity);
    }
    for (const gone of this.#written) if (!names.has(gone)) this.#tokens.remove(this.#paths.token(gone));
    this.#written.clear();
    for (const name of names) this.#written.add(name);
    writeWhole(this.#paths.assignments, `${JSON.stringify(assignments, undefined, 2)}\n`, 0o644);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#renewal);
  }
}
