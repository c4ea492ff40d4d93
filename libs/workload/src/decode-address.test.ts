import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { workload as api } from '@ambit/api';
import fc from 'fast-check';
import { decodeAddress } from './decode-address.ts';
import { formatIp } from '@ambit/net';
import { encodeService, encodeWorkload, ip } from './mesh.fixture.ts';
import { WorkloadError } from './workload-error.ts';

const text = fc.oneof(fc.constant(''), fc.string({ maxLength: 12 }), fc.string({ unit: 'grapheme', maxLength: 4 }));
const octets = fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }));
const port = fc.record({
  servicePort: fc.nat({ max: 70_000 }),
  targetPort: fc.nat({ max: 70_000 }),
  appProtocol: fc.nat({ max: 5 }) as fc.Arbitrary<api.AppProtocol>,
});
const portList = fc.record({ ports: fc.array(port, { maxLength: 3 }) });
const gateway = fc.record({
  destination: fc.oneof(
    fc.record({ case: fc.constant('hostname' as const), value: fc.record({ namespace: text, hostname: text }) }),
    fc.record({ case: fc.constant('address' as const), value: fc.record({ network: text, address: octets }) }),
  ),
  hboneMtlsPort: fc.nat({ max: 70_000 }),
});
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const workloadInit = fc.record({
  uid: fc.string({ minLength: 1, maxLength: 10 }),
  name: text,
  namespace: text,
  addresses: fc.array(octets, { maxLength: 2 }),
  network: text,
  tunnelProtocol: fc.constantFrom(0, 1),
  trustDomain: text,
  serviceAccount: text,
  waypoint: maybe(gateway),
  node: text,
  canonicalName: text,
  workloadType: fc.constantFrom(0, 1, 2, 3),
  nativeTunnel: fc.boolean(),
  authorizationPolicies: fc.array(text, { maxLength: 2 }),
  status: fc.constantFrom(0, 1),
  clusterId: text,
  networkGateway: maybe(gateway),
  hostname: text,
  services: fc.dictionary(
    text.map((name) => `ns/${name}`),
    portList,
    { maxKeys: 3 },
  ),
  applicationTunnel: maybe(fc.record({ protocol: fc.constantFrom(0, 1), port: fc.nat({ max: 65_535 }) })),
  locality: maybe(fc.record({ region: text, zone: text, subzone: text })),
  networkMode: fc.constantFrom(0, 1),
  capacity: maybe(fc.nat({ max: 1000 })),
});

test('a workload is read as the generated decoder reads it', () => {
  fc.assert(
    fc.property(workloadInit, (init) => {
      const bytes = encodeWorkload(init as never);
      const decoded = decodeAddress(bytes);
      const { type } = fromBinary(api.AddressSchema, bytes);
      if (type.case !== 'workload' || decoded.kind !== 'workload') return assert.fail('not a workload');
      const { workload } = decoded;
      const expected = type.value;
      for (const key of [
        'uid',
        'name',
        'namespace',
        'network',
        'node',
        'hostname',
        'canonicalName',
        'nativeTunnel',
        'authorizationPolicies',
      ] as const) {
        assert.deepEqual(workload[key], expected[key], key);
      }
      assert.equal(workload.trustDomain, expected.trustDomain || 'cluster.local');
      assert.equal(workload.serviceAccount, expected.serviceAccount || 'default');
      assert.equal(workload.clusterId, expected.clusterId || 'Kubernetes');
      assert.equal(workload.capacity, expected.capacity ?? 1);
      assert.equal(workload.isHealthy, expected.status === 0);
      assert.equal(workload.protocol, expected.tunnelProtocol === 1 ? 'hbone' : 'tcp');
      assert.deepEqual(
        workload.addresses,
        expected.addresses.map((bytes) => formatIp(bytes)),
      );
      assert.deepEqual(workload.locality, {
        region: expected.locality?.region ?? '',
        zone: expected.locality?.zone ?? '',
        subzone: expected.locality?.subzone ?? '',
      });
      assert.deepEqual([...workload.services.keys()].sort(), Object.keys(expected.services).sort());
      for (const [key, ports] of workload.services) {
        const list = expected.services[key]?.ports ?? [];
        assert.deepEqual(ports, new Map(list.map((p) => [p.servicePort & 0xffff, p.targetPort & 0xffff])));
      }
      assert.equal(workload.waypoint?.hbonePort, expected.waypoint && expected.waypoint.hboneMtlsPort & 0xffff);
      assert.equal(workload.waypoint?.destination.kind, expected.waypoint?.destination.case);
    }),
    { numRuns: 500, seed: 20_261_121 },
  );
});

test('a service is read with its VIPs, ports and balancing', () => {
  const decoded = decodeAddress(
    encodeService({
      name: 'web',
      namespace: 'shop',
      hostname: 'web.shop.svc.cluster.local',
      addresses: [
        { network: 'n', address: ip('10.1.0.1') },
        { address: ip('10.2.0.0'), length: 16 },
        { address: ip('fd00::1'), length: 128 },
      ],
      ports: [
        { servicePort: 80, targetPort: 8080 },
        { servicePort: 65_536 + 81, targetPort: 0 },
      ],
      subjectAltNames: ['spiffe://a/ns/b/sa/c'],
      loadBalancing: { mode: 2, routingPreference: [6, 1], healthPolicy: 1 },
      ipFamilies: 3,
      canonical: true,
      visibility: 1,
      ingressUseWaypoint: true,
      weightedWaypoints: [
        {
          weight: 3,
          destination: { destination: { case: 'address', value: { address: ip('10.0.0.9') } }, hboneMtlsPort: 15008 },
        },
      ],
    }),
  );
  assert.deepEqual(decoded, {
    kind: 'service',
    service: {
      name: 'web',
      namespace: 'shop',
      hostname: 'web.shop.svc.cluster.local',
      vips: [
        { network: 'n', address: '10.1.0.1' },
        { network: '', address: 'fd00::1' },
      ],
      cidrVips: [{ network: '', address: '10.2.0.0', length: 16 }],
      ports: new Map([
        [80, 8080],
        [81, 0],
      ]),
      subjectAltNames: ['spiffe://a/ns/b/sa/c'],
      waypoint: undefined,
      weightedWaypoints: [
        {
          weight: 3,
          destination: { destination: { kind: 'address', network: '', address: '10.0.0.9' }, hbonePort: 15008 },
        },
      ],
      loadBalancing: { mode: 'failover', preferences: ['network', 'region'], allowsUnhealthy: true },
      ipFamilies: 'dual',
      ingressUsesWaypoint: true,
      isCanonical: true,
      isPublic: false,
    },
  });
});

const base = { uid: 'u' };
const refused: readonly [name: string, bytes: Uint8Array, code: string][] = [
  ['legacy Istio mTLS', encodeWorkload({ ...base, tunnelProtocol: 2 }), 'WORKLOAD_UNKNOWN_ENUM'],
  ['an unknown tunnel protocol', encodeWorkload({ ...base, tunnelProtocol: 9 as never }), 'WORKLOAD_UNKNOWN_ENUM'],
  ['an unknown status', encodeWorkload({ ...base, status: 5 as never }), 'WORKLOAD_UNKNOWN_ENUM'],
  ['an unknown network mode', encodeWorkload({ ...base, networkMode: 5 as never }), 'WORKLOAD_UNKNOWN_ENUM'],
  ['an address of 5 bytes', encodeWorkload({ ...base, addresses: [new Uint8Array(5)] }), 'WORKLOAD_BAD_ADDRESS'],
  ['an empty address', encodeWorkload({ ...base, addresses: [new Uint8Array(0)] }), 'WORKLOAD_BAD_ADDRESS'],
  ['a service name without slash', encodeWorkload({ ...base, services: { web: {} } }), 'WORKLOAD_BAD_HOSTNAME'],
  [
    'a gateway without destination',
    encodeWorkload({ ...base, waypoint: { hboneMtlsPort: 1 } }),
    'WORKLOAD_BAD_GATEWAY',
  ],
  ['a workload without uid', encodeWorkload({ name: 'x' }), 'WORKLOAD_MALFORMED'],
  [
    'an unspecified scope',
    encodeService({ hostname: 'h', loadBalancing: { routingPreference: [0] } }),
    'WORKLOAD_UNKNOWN_ENUM',
  ],
  ['an unknown mode', encodeService({ hostname: 'h', loadBalancing: { mode: 8 as never } }), 'WORKLOAD_UNKNOWN_ENUM'],
  [
    'a prefix that is too long',
    encodeService({ hostname: 'h', addresses: [{ address: ip('10.0.0.0'), length: 33 }] }),
    'WORKLOAD_BAD_ADDRESS',
  ],
  ['unknown IP families', encodeService({ hostname: 'h', ipFamilies: 7 as never }), 'WORKLOAD_UNKNOWN_ENUM'],
  ['an empty resource', toBinary(api.AddressSchema, create(api.AddressSchema)), 'WORKLOAD_MALFORMED'],
];

for (const [name, bytes, code] of refused) {
  test(`${name} refuses the resource`, () => {
    assert.throws(
      () => decodeAddress(bytes),
      (error) => error instanceof WorkloadError && error.code === code,
    );
  });
}

test('an unknown workload type is a deployment, an unknown visibility is public', () => {
  const decoded = decodeAddress(encodeWorkload({ ...base, workloadType: 9 as never }));
  assert.equal(decoded.kind === 'workload' && decoded.workload.workloadType, 'deployment');
  const service = decodeAddress(encodeService({ hostname: 'h', visibility: 9 as never }));
  assert.equal(service.kind === 'service' && service.service.isPublic, true);
});

test('damaged input is read or refused, with nothing else thrown', () => {
  fc.assert(
    fc.property(workloadInit, fc.nat(), fc.nat({ max: 255 }), fc.nat(), (init, at, value, cut) => {
      const bytes = encodeWorkload(init as never);
      bytes[at % bytes.length] = value;
      const damaged = bytes.subarray(0, cut % (bytes.length + 1));
      try {
        decodeAddress(damaged);
      } catch (error) {
        assert.ok(error instanceof WorkloadError, String(error));
      }
    }),
    { numRuns: 2000, seed: 20_261_121 },
  );
});
