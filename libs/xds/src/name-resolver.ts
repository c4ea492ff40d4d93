import type { XdsNode } from './xds-node.ts';

/** A resource that a requested name stands for. */
export interface ResolvedName {
  /** The resource's own name. */
  readonly name: string;
  /** Other names it answers to, as the client may have asked for them: `<network>/<ip>`. */
  readonly aliases: readonly string[];
}

/**
 * Meaning of names for on-demand streams; the control plane knows workloads, addresses and services, this library
 * does not. Must answer from the same moment as the store, without waiting.
 * Spec: control-plane.md section 1.8, on-demand mode.
 */
export interface NameResolver {
  /** All resources of the type that `name` stands for; empty when there is none. */
  resolve(typeUrl: string, name: string): readonly ResolvedName[];
  /** Resources every on-demand stream of this node gets unasked, such as the workloads on it. */
  implied(typeUrl: string, node: XdsNode): readonly ResolvedName[];
}
