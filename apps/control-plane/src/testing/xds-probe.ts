/** A scripted xDS client that records what it received, in order. For tests only. */
import { discovery, workload } from '@ambit/api';
import { GrpcChannel } from '@ambit/grpc';
import {
  ADDRESS_TYPE,
  AUTHORIZATION_TYPE,
  deltaMethod,
  encodeRequest,
  type RequestFields,
  ztunnelNode,
} from '@ambit/xds';
import { fromBinary } from '@bufbuild/protobuf';

export interface ProbeOptions {
  readonly port: number;
  readonly rootsPem: string;
  readonly token: string;
  readonly node: Parameters<typeof ztunnelNode>[0];
}

export class XdsProbe implements Disposable {
  readonly responses: discovery.DeltaDiscoveryResponse[] = [];
  /** Set when the stream has ended. */
  error: { readonly code?: number; readonly details?: string } | undefined;
  readonly #channel: GrpcChannel;
  readonly #stream;
  readonly #node: Parameters<typeof ztunnelNode>[0];

  constructor({ port, rootsPem, token, node }: ProbeOptions) {
    this.#node = node;
    this.#channel = new GrpcChannel({
      address: `https://127.0.0.1:${port}`,
      roots: { kind: 'inline', pem: rootsPem },
      token: { kind: 'literal', token },
      clusterId: 'Kubernetes',
    });
    this.#stream = this.#channel.bidi(deltaMethod());
    this.#stream.on('data', (bytes: Uint8Array) => {
      const response = fromBinary(discovery.DeltaDiscoveryResponseSchema, bytes);
      this.responses.push(response);
      this.#send({ typeUrl: response.typeUrl, nonce: response.nonce });
    });
    this.#stream.on('error', (error: { code?: number; details?: string }) => (this.error = error));
    this.#stream.on('end', () => (this.error ??= {}));
  }

  /** Subscribes to everything, naming what is held already. */
  subscribe(held: ReadonlyMap<string, string> = new Map()): this {
    this.#send({ node: ztunnelNode(this.#node), typeUrl: ADDRESS_TYPE, initialVersions: held });
    this.#send({ typeUrl: AUTHORIZATION_TYPE });
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

  [Symbol.dispose](): void {
    this.#stream.on('error', () => undefined);
    this.#stream.cancel();
    this.#channel.close();
  }

  #send(request: RequestFields): void {
    if (this.error === undefined) this.#stream.write(encodeRequest(request));
  }
}
