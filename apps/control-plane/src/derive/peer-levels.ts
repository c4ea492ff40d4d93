import type { Index } from '@ambit/collections';
import { type Labels, matchesLabels, type PeerAuthentication } from '@ambit/kube';
import type { MeshSettings } from '../mesh-settings.ts';
import type { MeshReads } from './mesh-reads.ts';
import { selectorValue, selectorValuesFor } from './label-selection.ts';
import type { MeshSources } from './mesh-sources.ts';
import { type InheritedMode, oldest, peerPolicyNames, selectsWorkloads } from './peer-authentication.ts';

/** PeerAuthentications by what they are for: a whole namespace (or the mesh), or selected workloads. */
export class PeerLevels {
  readonly #settings: MeshSettings;
  readonly #wide: Index<PeerAuthentication>;
  readonly #selecting: Index<PeerAuthentication>;

  constructor(sources: MeshSources, settings: MeshSettings) {
    this.#settings = settings;
    const peers = sources.PeerAuthentication;
    this.#wide = peers.index('by-namespace', (peer) => (selectsWorkloads(peer) ? [] : [peer.metadata.namespace]));
    this.#selecting = peers.index('by-selector', (peer) => {
      const isInRoot = peer.metadata.namespace === settings.rootNamespace;
      if (!selectsWorkloads(peer) || isInRoot) return [];
      return [selectorValue(peer.metadata.namespace, peer.spec.selector?.matchLabels ?? {})];
    });
  }

  inherited(context: MeshReads, namespace: string): InheritedMode {
    const modeOf = (place: string) => oldest(context.lookup(this.#wide, place))?.spec.mode ?? 'UNSET';
    const mesh = modeOf(this.#settings.rootNamespace);
    return { mesh, namespace: namespace === this.#settings.rootNamespace ? mesh : modeOf(namespace) };
  }

  policyNames(context: MeshReads, namespace: string, labels: Labels): readonly string[] {
    const matching = selectorValuesFor(namespace, labels)
      .flatMap((value) => context.lookup(this.#selecting, value))
      .filter((peer) => matchesLabels(peer.spec.selector?.matchLabels ?? {}, labels));
    return peerPolicyNames(oldest(matching), this.inherited(context, namespace), this.#settings.rootNamespace);
  }
}
