/** What a waypoint's pod is served of its own configuration. For tests only. */
import { proxy } from '@ambit/api';
import { DESTINATION_TYPE, gatewayNode, PROXY_TYPE } from '@ambit/xds';
import { fromBinary } from '@bufbuild/protobuf';
import { DeltaProbe, type DeltaProbeOptions } from './delta-probe.ts';

/** Pod `waypoint-1` of Gateway `waypoint`. */
export interface WaypointPlace {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly nodeName: string;
  readonly instanceIp: string;
}

export class WaypointProbe extends DeltaProbe {
  readonly #node: Parameters<typeof gatewayNode>[0];
  readonly #gateway: string;

  constructor(options: DeltaProbeOptions, { namespace, serviceAccount, nodeName, instanceIp }: WaypointPlace) {
    super(options);
    this.#gateway = `${namespace}/waypoint`;
    this.#node = {
      kind: 'waypoint',
      gateway: 'waypoint',
      serviceAccount,
      instanceIp,
      podName: 'waypoint-1',
      podNamespace: namespace,
      nodeName,
      extraMetadata: {},
    };
  }

  /** Asks for the proxy, and for the destination of service `web` of its namespace. */
  subscribe(): this {
    const { podNamespace: namespace } = this.#node;
    const destination = `${this.#gateway}/${namespace}/web.${namespace}.svc.cluster.local`;
    this.send({ node: gatewayNode(this.#node), typeUrl: PROXY_TYPE, subscribe: [this.#gateway] });
    this.send({ typeUrl: DESTINATION_TYPE, subscribe: [destination] });
    return this;
  }

  /** Types of which something was sent. */
  get types(): ReadonlySet<string> {
    return new Set(this.responses.filter(({ resources }) => resources.length > 0).map(({ typeUrl }) => typeUrl));
  }

  /** Types that were answered, with something or not. */
  get answered(): ReadonlySet<string> {
    return new Set(this.responses.map(({ typeUrl }) => typeUrl));
  }

  /** Prefixes of the routes of the first port, of each version that came. */
  get paths(): readonly (readonly string[])[] {
    const versions = this.responses.filter(({ typeUrl }) => typeUrl === DESTINATION_TYPE);
    return versions.flatMap(({ resources }) =>
      resources.map(({ resource }) => {
        const { ports } = fromBinary(proxy.DestinationSchema, resource?.value ?? new Uint8Array());
        return (ports[0]?.httpRoutes ?? []).map(({ matches }) => String(matches[0]?.path?.kind.value));
      }),
    );
  }
}
