/** The numbered traps of the L7 contract, section 10, as far as derivation can fall into them. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { proxy, route } from '@ambit/api';
import { parseManifests, ResourceTable } from '@ambit/kube';
import { meshCollections } from '../derive/mesh-collections.ts';
import { loadSources } from '../derive/mesh-sources.ts';
import { defaultMeshSettings } from '../mesh-settings.ts';

const surroundings = readFileSync(join(import.meta.dirname, '../../testdata/l7/surroundings.yaml'), 'utf8');

/** The surroundings of the golden cases with more YAML. Everything asked for must be there. */
function derive(...documents: readonly string[]) {
  const { resources } = parseManifests('trap.yaml', [surroundings, ...documents].join('\n---\n'));
  const mesh = meshCollections(defaultMeshSettings);
  mesh.graph.update(() => loadSources(mesh.sources, new ResourceTable(resources)));
  const found = <T>(item: T | undefined, name: string): T => item ?? assert.fail(`there is no ${name}`);
  const destination = (name: string, gateway = 'shop/waypoint'): proxy.Destination => {
    const [service = '', namespace = 'shop'] = name.split('.');
    const key = `${gateway}/${namespace}/${service}.${namespace}.svc.cluster.local`;
    return found(mesh.l7.destinations.get(key), key).message;
  };
  const port = (number = 80, name = 'web'): proxy.DestinationPort =>
    found(
      destination(name).ports.find((one) => one.port === number),
      `port ${number}`,
    );
  const routes = (number = 80): readonly route.HttpRoute[] => port(number).httpRoutes;
  const only = (number = 80): route.HttpRoute => {
    const [first, ...more] = routes(number);
    assert.deepEqual(more, []);
    return found(first, 'route');
  };
  const conditions = (kind: string, name: string, parent = 0): readonly string[] => {
    const write = found(mesh.statuses.get(`${kind}/${name}/ambit-status`), `status of ${kind} ${name}`);
    const list = write.parents === undefined ? write.conditions : write.parents[parent]?.conditions;
    return (list ?? []).map(({ type, status, reason }) => `${type} ${status} ${reason}`);
  };
  return { mesh, destination, port, routes, only, conditions };
}

const http = (rules: string, more = ''): string => `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r, namespace: shop, generation: 7, ${more} }
spec: { parentRefs: [{ group: "", kind: Service, name: web, port: 80 }], rules: [${rules}] }`;
const backend = 'backendRefs: [{ name: web, port: 80 }]';
const virtual = (rules: string, more = '', name = 'v'): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: shop, ${more} }
spec: { hosts: [web], http: [${rules}] }`;
const to = (host: string, more = ''): string =>
  `route: [{ destination: { host: ${host}, port: { number: 80 } ${more} } }]`;
const rule = (policy: string, more = ''): string => `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: d, namespace: shop }
spec: { host: web, trafficPolicy: { ${policy} } ${more} }`;

test('trap 1: a prefix is text in a VirtualService and segments in an HTTPRoute', () => {
  const match = 'match: [{ uri: { prefix: /a } }]';
  assert.equal(derive(virtual(`{ ${match}, ${to('web')} }`)).only().matches[0]?.path?.kind.case, 'prefix');
  assert.equal(
    derive(http(`{ matches: [{ path: { value: /a } }], ${backend} }`)).only().matches[0]?.path?.kind.case,
    'segments',
  );
});

test('trap 2: the default of a redirect is 301 in a VirtualService and 302 in an HTTPRoute, and so are ports', () => {
  const ofVirtual = derive(virtual('{ redirect: { uri: /x } }')).only().action;
  const ofHttp = derive(http('{ filters: [{ type: RequestRedirect, requestRedirect: {} }] }')).only().action;
  assert.ok(ofVirtual.case === 'redirect' && ofHttp.case === 'redirect');
  assert.deepEqual([ofVirtual.value.status, ofVirtual.value.port.case], [301, 'ofRequest']);
  assert.deepEqual([ofHttp.value.status, ofHttp.value.port.case], [302, 'ofListener']);
  const derived = derive(virtual('{ redirect: { derivePort: FROM_REQUEST_PORT } }')).only().action;
  assert.ok(derived.case === 'redirect');
  assert.deepEqual(derived.value.port, { case: 'ofListener', value: 80 });
});

test('trap 3: no timeout is no timeout', () => {
  assert.equal(derive(virtual(`{ ${to('web')} }`)).only().timeout, undefined);
  assert.equal(derive(http(`{ timeouts: { request: 0s }, ${backend} }`)).only().timeout, undefined);
});

test('trap 5: retries are on by default, twice, and without status codes', () => {
  for (const made of [derive(virtual(`{ ${to('web')} }`)), derive(http(`{ ${backend} }`))]) {
    assert.equal(made.only().retries?.maxRetries, 2);
    assert.deepEqual(made.only().retries?.conditions, [
      'connect-failure',
      'refused-stream',
      'unavailable',
      'cancelled',
    ]);
  }
});

test('trap 7: attempts 0 turns retries off; a time for one attempt causes retries in an HTTPRoute with a stanza', () => {
  const off = derive(virtual(`{ retries: { attempts: 0, perTryTimeout: 1s }, ${to('web')} }`)).only();
  assert.equal(off.retries?.maxRetries, 0);
  const withStanza = derive(http(`{ retry: { attempts: 1 }, timeouts: { backendRequest: 1s }, ${backend} }`)).only();
  assert.ok(withStanza.retries?.conditions.includes('reset'));
});

test('trap 8: a backend that does not exist is 500 in the Gateway API and 503 in a VirtualService', () => {
  const target = (made: route.HttpRoute): unknown =>
    made.action.case === 'forward' ? made.action.value.backends[0]?.target.value : undefined;
  assert.equal(target(derive(http('{ backendRefs: [{ name: nobody, port: 80 }] }')).only()), 500);
  assert.equal(target(derive(virtual(`{ ${to('nobody')} }`)).only()), 503);
});

test('trap 9: one bad backend costs its share, one bad filter its rule, and both are told', () => {
  const made = derive(
    http(`{ backendRefs: [{ name: web, port: 80, weight: 3 }, { name: nobody, port: 80 }] }, {
      matches: [{ path: { value: /filter } }], filters: [{ type: ExtensionRef, extensionRef: { group: a, kind: b, name: c } }], ${backend} }`),
  );
  const [filtered, shared] = made.routes();
  assert.equal(filtered?.action.case, 'directResponse');
  assert.ok(shared?.action.case === 'forward');
  assert.deepEqual(
    shared.action.value.backends.map(({ weight, target }) => [weight, target.case]),
    [
      [3, 'backend'],
      [1, 'failureStatus'],
    ],
  );
  assert.ok(made.conditions('HTTPRoute', 'shop/r').includes('ResolvedRefs False BackendNotFound'));
});

test('trap 10: where a route exists a request that nothing matches is an error; on other ports nothing changes', () => {
  const made = derive(http(`{ matches: [{ path: { value: /a } }], ${backend} }`));
  assert.deepEqual([made.port(80).noMatchIsError, made.port(7070).noMatchIsError], [true, false]);
});

test('trap 11: host names of a route for a service are ignored', () => {
  const made = derive(http(`{ ${backend} }`).replace('spec: {', 'spec: { hostnames: [elsewhere.example],'));
  assert.equal(made.only().matches[0]?.authority, undefined);
});

test('trap 12: HTTPRoute and VirtualService combine by age, and an older catch-all comes first', () => {
  const old = 'creationTimestamp: "2026-01-01T00:00:00Z"';
  const young = 'creationTimestamp: "2026-01-02T00:00:00Z"';
  const exact = `{ name: exact, matches: [{ path: { type: Exact, value: /a } }], ${backend} }`;
  const all = `{ name: all, ${to('web')} }`;
  const names = (...documents: readonly string[]): readonly string[] =>
    derive(...documents)
      .routes()
      .map(({ name }) => name);
  assert.deepEqual(names(http(exact, young), virtual(all, old)), ['all', 'exact']);
  assert.deepEqual(names(http(exact, old), virtual(all, young)), ['exact', 'all']);
});

test('trap 13: routes with and without a port are pieces of their own, in order of age', () => {
  const wide = http(`{ name: wide, ${backend} }`, 'creationTimestamp: "2026-01-01T00:00:00Z"')
    .replace(', port: 80 }]', ' }]')
    .replace('name: r,', 'name: wide,');
  const narrow = http(
    `{ name: narrow, matches: [{ path: { type: Exact, value: /a } }], ${backend} }`,
    'creationTimestamp: "2026-01-02T00:00:00Z"',
  );
  assert.deepEqual(
    derive(wide, narrow)
      .routes()
      .map(({ name }) => name),
    ['wide', 'narrow'],
  );
});

test('trap 14: a consumer route does nothing at a service waypoint, and its status says so', () => {
  const made = derive(`apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: c, namespace: other }
spec: { parentRefs: [{ group: "", kind: Service, name: web, namespace: shop }], rules: [{ backendRefs: [{ name: far, port: 8080 }] }] }`);
  assert.deepEqual(made.routes(), []);
  const [parent] = made.mesh.statuses.get('HTTPRoute/other/c/ambit-status')?.parents ?? [];
  assert.match(parent?.conditions.find(({ type }) => type === 'ResolvedWaypoints')?.message ?? '', /nobody acts/);
});

const ingress = (listeners: string): string => `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: in, namespace: shop, generation: 3 }
spec: { gatewayClassName: ambit, listeners: [${listeners}] }`;
const plain = '{ name: http, port: 80, protocol: HTTP }';
const atGateway = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: g, namespace: shop }
spec: { parentRefs: [{ name: in }], rules: [{ backendRefs: [{ name: far, namespace: other, port: 8080 }] }] }`;

test('trap 15: another namespace needs a grant at a gateway and none in the mesh', () => {
  const far = '{ backendRefs: [{ name: far, namespace: other, port: 8080 }] }';
  const made = derive(http(far), ingress(plain), atGateway);
  assert.ok(made.conditions('HTTPRoute', 'shop/r').includes('ResolvedRefs True ResolvedRefs'));
  assert.ok(made.conditions('HTTPRoute', 'shop/g').includes('ResolvedRefs False RefNotPermitted'));
});

test('trap 16: without a grant nobody is told what exists', () => {
  const missing = atGateway.replace('name: far', 'name: nobody');
  assert.ok(
    derive(ingress(plain), missing).conditions('HTTPRoute', 'shop/g').includes('ResolvedRefs False RefNotPermitted'),
  );
});

test('traps 17, 18 and 19: bad protocols support no kinds, routes count where nothing is served, some bad listeners do not refuse all', () => {
  const unserved = '{ name: https, port: 443, protocol: HTTPS, tls: { certificateRefs: [{ name: nobody }] } }';
  const made = derive(ingress(`${plain}, { name: odd, port: 81, protocol: https }, ${unserved}`), atGateway);
  const write = made.mesh.statuses.get('Gateway/shop/in/ambit-status');
  const of = (name: string) => write?.listeners?.find((listener) => listener.name === name);
  assert.deepEqual(of('odd')?.supportedKinds, []);
  assert.equal(of('https')?.attachedRoutes, 1);
  assert.ok(made.conditions('Gateway', 'shop/in').includes('Accepted True ListenersNotValid'));
  const none = derive(ingress('{ name: odd, port: 81, protocol: https }'));
  assert.ok(none.conditions('Gateway', 'shop/in').includes('Accepted False ListenersNotValid'));
});

test('trap 21: every condition tells the generation that was judged', () => {
  const made = derive(http(`{ ${backend} }`), ingress(plain));
  const parents = made.mesh.statuses.get('HTTPRoute/shop/r/ambit-status')?.parents ?? [];
  assert.deepEqual(
    parents.flatMap(({ conditions }) => conditions.map((one) => one.observedGeneration)),
    [7, 7, 7],
  );
  const gateway = made.mesh.statuses.get('Gateway/shop/in/ambit-status');
  const all = [...(gateway?.conditions ?? []), ...(gateway?.listeners ?? []).flatMap(({ conditions }) => conditions)];
  assert.ok(all.length > 4 && all.every(({ observedGeneration }) => observedGeneration === 3));
});

test('trap 22: entries of other controllers are nothing to us, and a gateway of another class has no status of ours', () => {
  const theirs = ingress(plain).replace('gatewayClassName: ambit', 'gatewayClassName: theirs');
  const made = derive(theirs, atGateway);
  assert.equal(made.mesh.statuses.get('Gateway/shop/in/ambit-status'), undefined);
  assert.equal(made.mesh.statuses.get('HTTPRoute/shop/g/ambit-status'), undefined);
});

const policy = (namespace: string, spec: string): string => `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p, namespace: ${namespace} }
spec: { ${spec} }`;

test('trap 23: a policy for the class istio-waypoint is for our waypoints too', () => {
  const target = 'targetRefs: [{ group: gateway.networking.k8s.io, kind: GatewayClass, name: istio-waypoint }]';
  const made = derive(policy('istio-system', `${target}, rules: [{}]`));
  assert.equal(made.mesh.l7.proxies.get('shop/waypoint')?.message.access?.policies[0]?.name, 'p');
});

test('trap 24: policies without a target never run at waypoints, and do at gateways', () => {
  const made = derive(policy('shop', 'rules: [{}]'), ingress(plain));
  assert.equal(made.mesh.l7.proxies.get('shop/waypoint')?.message.access, undefined);
  assert.equal(made.mesh.l7.proxies.get('shop/in')?.message.access?.policies.length, 1);
});

test('trap 25: a policy without rules is sent as such: it denies all or nothing', () => {
  const made = derive(policy('shop', 'targetRefs: [{ group: "", kind: Service, name: web }]'));
  assert.deepEqual(made.destination('web').access?.policies[0]?.rules, []);
});

test('trap 29: keys that cannot be had leave an empty key set, not a missing rule', () => {
  const made = derive(`apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: t, namespace: shop }
spec: { targetRefs: [{ group: "", kind: Service, name: web }], jwtRules: [{ issuer: a, jwksUri: https://a.example/k }] }`);
  assert.equal(made.destination('web').access?.jwtRules[0]?.jwks, '');
  made.mesh.graph.update(() => made.mesh.l7.keys.set({ key: 'jwks https://a.example/k', jwks: '{"keys":[]}' }));
  assert.equal(made.destination('web').access?.jwtRules[0]?.jwks, '{"keys":[]}');
});

test('trap 40: preflights of other origins go on in a VirtualService and end in an HTTPRoute', () => {
  const cors = derive(virtual(`{ corsPolicy: { allowOrigins: [{ exact: https://a }] }, ${to('web')} }`)).only().cors;
  assert.equal(cors?.forwardUnmatchedPreflights, true);
  const filter = 'filters: [{ type: CORS, cors: { allowOrigins: ["https://a"] } }]';
  assert.equal(derive(http(`{ ${filter}, ${backend} }`)).only().cors?.forwardUnmatchedPreflights, false);
});

test('trap 42: ISTIO_MUTUAL is the tunnel already; SIMPLE adds TLS inside it', () => {
  assert.equal(derive(rule('tls: { mode: ISTIO_MUTUAL }')).port().traffic, undefined);
  assert.equal(derive(rule('tls: { mode: SIMPLE }')).port().traffic?.tls?.useSystemRoots, true);
});

test('trap 43: settings for a port replace the whole policy for that port', () => {
  const made = derive(
    rule(
      'connectionPool: { tcp: { maxConnections: 1 } }, portLevelSettings: [{ port: { number: 80 }, loadBalancer: { simple: RANDOM } }]',
    ),
  );
  assert.equal(made.port(80).traffic?.limits, undefined);
  assert.equal(made.port(7070).traffic?.limits?.maxConnections, 1);
});

test('trap 44: locality fails over with outlier detection only, or where the service asks for it', () => {
  const isOn = (policies: string): boolean =>
    derive(rule(policies)).port().traffic?.balancing?.locality?.enabled ?? false;
  assert.equal(isOn('loadBalancer: { localityLbSetting: { enabled: true } }'), false);
  assert.equal(isOn('outlierDetection: {}'), true);
  assert.equal(isOn('outlierDetection: {}, loadBalancer: { localityLbSetting: { enabled: false } }'), false);
});

test('trap 46: the key of a hash goes with its ring, also without routes', () => {
  const balancing = derive(rule('loadBalancer: { consistentHash: { httpHeaderName: X-User } }')).port().traffic
    ?.balancing;
  assert.equal(balancing?.hashKey?.kind.value, 'x-user');
});

test('traps 49 and 51: ports of protocols that speak first are TCP by number; appProtocol wins over the name', () => {
  const made = derive(`apiVersion: v1
kind: Service
metadata: { name: p, namespace: shop, labels: { istio.io/use-waypoint: waypoint } }
spec: { ports: [{ name: a, port: 3306 }, { name: http, port: 1, appProtocol: tcp }, { name: http-x, port: 2, appProtocol: nonsense }] }`);
  assert.deepEqual(
    made.destination('p').ports.map(({ protocol }) => protocol),
    [5, 5, 0],
  );
});

test('trap 57: of telemetry without a target only the oldest of a namespace counts', () => {
  const telemetry = (name: string, day: number, spec: string): string => `apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { name: ${name}, namespace: shop, creationTimestamp: "2026-01-0${day}T00:00:00Z" }
spec: { accessLogging: [{ ${spec} }] }`;
  const made = derive(telemetry('a', 2, 'disabled: true'), telemetry('b', 1, 'providers: [{ name: envoy }]'));
  assert.equal(made.mesh.l7.proxies.get('shop/waypoint')?.message.telemetry?.accessLog?.enabled, true);
});

test('trap 67: exportTo limits what a waypoint sees', () => {
  const hidden = rule('loadBalancer: { simple: RANDOM }')
    .replace('namespace: shop', 'namespace: istio-system')
    .replace('host: web', 'host: web.shop.svc.cluster.local, exportTo: ["."]');
  assert.equal(derive(hidden).port().traffic, undefined);
  assert.notEqual(derive(hidden.replace(', exportTo: ["."]', '')).port().traffic, undefined);
});

test('trap 69: filters of a backend stay with it, those of the rule hold beside them', () => {
  const add = (name: string): string =>
    `{ type: RequestHeaderModifier, requestHeaderModifier: { add: [{ name: ${name}, value: "1" }] } }`;
  const made = derive(
    http(
      `{ filters: [${add('all')}], backendRefs: [{ name: web, port: 80, filters: [${add('one')}] }, { name: canary, port: 80 }] }`,
    ),
  ).only();
  assert.deepEqual(
    made.requestHeaders?.add.map(({ name }) => name),
    ['all'],
  );
  assert.ok(made.action.case === 'forward');
  const own = made.action.value.backends.map(({ requestHeaders }) => requestHeaders?.add.map(({ name }) => name));
  assert.deepEqual(own, [['one'], undefined]);
});

test('trap 70: the name that a policy gives is what a backend must prove', () => {
  const made = derive(`apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: { name: b, namespace: shop }
spec: { targetRefs: [{ group: "", kind: Service, name: web }], validation: { hostname: a.example, wellKnownCACertificates: System } }`);
  const tls = made.port().traffic?.tls;
  assert.deepEqual([tls?.serverName, tls?.subjectAltNames, tls?.insecureSkipVerify], ['a.example', [], false]);
});

test('trap 71: header names are lower case, names of query parameters stay', () => {
  const [match] = derive(
    http(`{ matches: [{ headers: [{ name: X-A, value: B }], queryParams: [{ name: Q, value: V }] }], ${backend} }`),
  ).only().matches;
  assert.deepEqual([match?.headers[0]?.name, match?.queryParameters[0]?.name], ['x-a', 'Q']);
});
