/**
 * Lets processes of the node itself (the kubelet's probes) reach enrolled pods without ztunnel: their packets get a
 * source that the pods' rules let through. Spec: data-plane contract 2.5, 2.6.
 */

export interface ProbeExemption {
  /** Makes rules and sets; entries of an earlier agent stay until `prune`. Idempotent. */
  install(): Promise<void>;
  /** Costs nothing when the entry is known to be there. */
  add(uid: string, addresses: readonly string[]): Promise<void>;
  /** Removes an address only while it belongs to this pod: addresses are reused quickly. */
  remove(uid: string, addresses: readonly string[]): Promise<void>;
  /** Removes every address that does not belong to one of these pods. */
  prune(keep: ReadonlySet<string>): Promise<void>;
  /** True when the rules are there; sets cannot vanish under a rule. Reads the entries anew. */
  isInstalled(): Promise<boolean>;
  uninstall(): Promise<void>;
}

export const PROBE_SETS = { v4: 'istio-inpod-probes-v4', v6: 'istio-inpod-probes-v6' } as const;
