/** A scripted ztunnel: what it received, in order. For tests only. */
import { workload } from '@ambit/api';
import { ADDRESS_TYPE, AUTHORIZATION_TYPE, ztunnelNode } from '@ambit/xds';
import { fromBinary } from '@bufbuild/protobuf';
import { DeltaProbe, type DeltaProbeOptions } from './delta-probe.ts';

export interface ProbeOptions extends DeltaProbeOptions {
  readonly node: Parameters<typeof ztunnelNode>[0];
}

export class XdsProbe extends DeltaProbe {
  readonly #node: Parameters<typeof ztunnelNode>[0];

  constructor({ node, ...options }: ProbeOptions) {
    super(options);
    this.#node = node;
  }

  /** Subscribes to everything, naming what is held already. */
  subscribe(held: ReadonlyMap<string, string> = new Map()): this {
    this.send({ node: ztunnelNode(this.#node), typeUrl: ADDRESS_TYPE, initialVersions: held });
    this.send({ typeUrl: AUTHORIZATION_TYPE });
    return this;
  }

  /** Both types were answered. */
  get isReady(): boolean {
    return new Set(this.responses.map(({ typeUrl }) => typeUrl)).size === 2;
  }

  /** Position of the first response that brings a resource whose name ends so; -1 when none did. */
  indexOf(suffix: string): number {
    return this.responses.findIndex(({ resources }) => resources.some(({ name }) => name.endsWith(suffix)));
  }

  /** Position of the first response that removes such a resource. */
  removalOf(suffix: string): number {
    return this.responses.findIndex(({ removedResources }) => removedResources.some((name) => name.endsWith(suffix)));
  }

  /** The last version of an address whose name ends so. */
  address(suffix: string): workload.Address | undefined {
    for (const { typeUrl, resources } of this.responses.toReversed()) {
      const found = resources.find(({ name }) => typeUrl === ADDRESS_TYPE && name.endsWith(suffix));
      if (found?.resource !== undefined) return fromBinary(workload.AddressSchema, found.resource.value);
    }
    return undefined;
  }

  /** Names of addresses with their versions, as a client remembers them. */
  versions(): Map<string, string> {
    const held = new Map<string, string>();
    for (const { typeUrl, resources, removedResources } of this.responses) {
      if (typeUrl !== ADDRESS_TYPE) continue;
      for (const { name, version } of resources) held.set(name, version);
      for (const name of removedResources) held.delete(name);
    }
    return held;
  }
}
