/** A waypoint before one backend that answers with the code of its path: `/404` gets 404. For tests of telemetry. */
import { type proxy as proxyMessages, workload as api } from '@ambit/api';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { destination, pod, proxy, service } from './mesh-messages.ts';
import { WaypointRig } from './waypoint-rig.ts';

const vip = '10.9.0.1';

export type TelemetryInit = MessageInitShape<typeof proxyMessages.TelemetrySchema>;

export interface StatusWaypoint {
  /** The caller's to dispose of. */
  readonly rig: WaypointRig;
  /** Of the service: what `fetch` of the rig takes. */
  readonly entry: number;
}

export async function openStatusWaypoint(telemetry: TelemetryInit): Promise<StatusWaypoint> {
  const rig = await WaypointRig.open();
  const backend = await rig.backend((request, response) => {
    response.statusCode = Number(request.url?.slice(1, 4));
    response.end('x');
  });
  const plain = { tunnelProtocol: api.TunnelProtocol.NONE };
  rig.mesh(service('web', vip), pod('web', '127.0.0.1', { web: backend.port }, plain));
  const [name, bytes] = destination('web');
  rig.configure({ proxy: proxy({ destinations: [name], telemetry }), destinations: [[name, bytes]] });
  return { rig, entry: rig.entry(`${vip}:80`) };
}
