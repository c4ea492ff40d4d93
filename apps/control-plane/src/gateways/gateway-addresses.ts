/** Where a gateway for everybody is reached, from its Service as the API server has it. Pure. Spec: control-plane.md section 4.6. */
import { type AddressObject, objectAt, objectsAt, textAt } from './gateway-object.ts';

/** Addresses of a load balancer, else those inside the cluster; none while nothing is assigned. */
export function serviceAddresses(service: unknown, clusterDomain: string): readonly AddressObject[] {
  const metadata = objectAt(service, 'metadata');
  const spec = objectAt(service, 'spec');
  if (textAt(spec, 'type') === 'LoadBalancer') {
    const ingress = objectsAt(objectAt(objectAt(service, 'status'), 'loadBalancer'), 'ingress');
    return ingress.flatMap((entry) => {
      const [ip, hostname] = [textAt(entry, 'ip'), textAt(entry, 'hostname')];
      if (ip !== '') return [{ type: 'IPAddress', value: ip }];
      return hostname === '' ? [] : [{ type: 'Hostname', value: hostname }];
    });
  }
  const clusterIp = textAt(spec, 'clusterIP');
  if (clusterIp === '' || clusterIp === 'None') return [];
  return [
    { type: 'IPAddress', value: clusterIp },
    { type: 'Hostname', value: `${textAt(metadata, 'name')}.${textAt(metadata, 'namespace')}.svc.${clusterDomain}` },
  ];
}
