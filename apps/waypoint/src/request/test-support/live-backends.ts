import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { proxy as messages, workload as api } from '@ambit/api';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { destination, pod, proxy, service } from '../../data/test-support/mesh-messages.ts';
import type { WaypointRig } from '../../data/test-support/waypoint-rig.ts';
import { forwardTo } from './route-messages.ts';

type PortShape = MessageInitShape<typeof messages.DestinationPortSchema>;

type DestinationShape = MessageInitShape<typeof messages.DestinationSchema>;

const vip = '10.9.0.1';

const plain = { tunnelProtocol: api.TunnelProtocol.NONE };

/** A route to services. */
export const forward = (...names: readonly string[]): object =>
  forwardTo(...names.map((name) => `${name}.shop.svc.cluster.local`));

/** A server of Node on some port of loopback. */
export interface Backend {
  readonly name: string;
  readonly port: number;
}

/** A waypoint that serves `web`; every backend is a service of one endpoint. The way to `web`. */
export function serve(
  rig: WaypointRig,
  backends: readonly Backend[],
  port: PortShape = {},
  rest: DestinationShape = {},
  tracing?: object,
): number {
  const [web] = destination('web', port, rest);
  const resources = backends.map(({ name }) => {
    if (name === 'web') return destination('web', port, rest);
    // A collector speaks gRPC.
    return destination(name, name === 'otel' ? { protocol: messages.Protocol.GRPC } : {});
  });
  rig.mesh(
    ...backends.flatMap(({ name, port: target }, i) => [
      service(name, `10.9.0.${i + 1}`),
      pod(name, `127.0.0.${i + 1}`, { [name]: target }, plain),
    ]),
  );
  const telemetry = { accessLog: { enabled: true }, ...(tracing === undefined ? {} : { tracing }) };
  rig.configure({
    proxy: proxy({ destinations: resources.map(([name]) => name), telemetry }),
    destinations: [...resources],
  });
  assert.ok(web !== undefined);
  return rig.entry(`${vip}:80`);
}

/** As the rig's, on any address of loopback. */
export async function backend(rig: WaypointRig, name: string, handler: http.RequestListener): Promise<Backend> {
  const server = http.createServer(handler).listen(0);
  rig.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  return { name, port: address.port };
}
