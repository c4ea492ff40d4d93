import type { Graph, Index } from '@ambit/collections';
import type { Labels, PeerAuthentication } from '@ambit/kube';
import type { MeshSettings } from '../mesh-settings.ts';
import type { MeshReads } from './mesh-reads.ts';
import type { MeshObjects } from './mesh-objects.ts';
import { type InheritedMode, oldest, peerPolicyNames, selectsWorkloads } from './peer-authentication.ts';
import { SelectorIndex } from './selector-index.ts';

/** PeerAuthentications by what they are for: a whole namespace (or the mesh), or selected workloads. */
export class PeerLevels {
  readonly #settings: MeshSettings;
  readonly #wide: Index<PeerAuthentication>;
  readonly #selecting: SelectorIndex<PeerAuthentication>;

  constructor(graph: Graph, objects: MeshObjects, settings: MeshSettings) {
    this.#settings = settings;
    const peers = objects.PeerAuthentication;
    this.#wide = peers.index('by-namespace', (peer) => (selectsWorkloads(peer) ? [] : [peer.metadata.namespace]));
    this.#selecting = new SelectorIndex(graph, peers, (peer) => {
      const { namespace } = peer.metadata;
      if (!selectsWorkloads(peer) || namespace === settings.rootNamespace) return undefined;
      return { namespace, labels: peer.spec.selector?.matchLabels ?? {} };
    });
  }

  inherited(context: MeshReads, namespace: string): InheritedMode {
    const modeOf = (place: string) => oldest(context.lookup(this.#wide, place))?.spec.mode ?? 'UNSET';
    const mesh = modeOf(this.#settings.rootNamespace);
    return { mesh, namespace: namespace === this.#settings.rootNamespace ? mesh : modeOf(namespace) };
  }

  policyNames(context: MeshReads, namespace: string, labels: Labels): readonly string[] {
    const matching = this.#selecting.matching(context, namespace, labels);
    return peerPolicyNames(oldest(matching), this.inherited(context, namespace), this.#settings.rootNamespace);
  }
}
