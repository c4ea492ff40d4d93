/** The store of group 8: a namespace behind a waypoint, its programs, and what is said about each of its services. Pure. */

export const STORE_FILE = 'demo-store.yaml';
export const NAMESPACE = 'store';
export const CLIENT = 'store/client';
export const STRANGER = 'store/stranger';

/** Services of the store; each shows one thing, so that no two claims speak about one host. */
export const hostOf = (service: string): string => `${service}.${NAMESPACE}.svc.cluster.local`;
export const urlOf = (service: string, path = '/'): string => `http://${service}${path}`;

const account = (name: string): string => `apiVersion: v1
kind: ServiceAccount
metadata: { namespace: store, name: ${name} }
`;

const caller = (name: string): string => `apiVersion: v1
kind: Pod
metadata: { namespace: store, name: ${name}, labels: { app: ${name} } }
spec:
  nodeName: node1
  serviceAccountName: ${name}
  containers: [{ name: main, command: [sleep, infinity] }]
`;

const front = (name: string, app: string, version: string, mood: string): string => `apiVersion: v1
kind: Pod
metadata: { namespace: store, name: ${name}, labels: { app: ${app}, version: ${version} } }
spec:
  serviceAccountName: front
  containers:
    - name: main
      command: ['$(NODE)', '$(LAB_DIR)/services/front.ts', ${name}, ${mood}]
      ports: [{ name: http, containerPort: 8080 }]
      readinessProbe: { tcpSocket: { port: 8080 } }
`;

const service = (name: string, selector: string): string => `apiVersion: v1
kind: Service
metadata: { namespace: store, name: ${name} }
spec: { selector: { ${selector} }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`;

/** Everything but what single claims say. */
export function storeManifest(): string {
  return [
    `apiVersion: v1
kind: Namespace
metadata: { name: store, labels: { istio.io/dataplane-mode: ambient, istio.io/use-waypoint: waypoint } }
`,
    `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { namespace: store, name: waypoint }
spec: { gatewayClassName: ambit-waypoint, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
`,
    ...['client', 'stranger', 'front'].map(account),
    ...['client', 'stranger'].map(caller),
    front('web-v1', 'web', 'v1', 'well'),
    front('web-v2', 'web', 'v2', 'well'),
    front('flaky', 'flaky', 'v1', 'fickle'),
    front('pair-a', 'pair', 'a', 'well'),
    front('pair-b', 'pair', 'b', 'well'),
    service('web', 'app: web'),
    service('web-v1', 'app: web, version: v1'),
    service('web-v2', 'app: web, version: v2'),
    service('flaky', 'app: flaky'),
    service('pair', 'app: pair'),
    service('vault', 'app: web, version: v1'),
    service('slow', 'app: web, version: v1'),
    service('copied', 'app: web, version: v1'),
  ].join('---\n');
}

/** Exactly five of a hundred to the new version, and all of those who ask for it. */
export const canaryRoute = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { namespace: store, name: web }
spec:
  parentRefs: [{ group: '', kind: Service, name: web, port: 80 }]
  rules:
    - matches: [{ headers: [{ name: x-canary, value: 'yes' }] }]
      backendRefs: [{ name: web-v2, port: 80 }]
    - backendRefs: [{ name: web-v1, port: 80, weight: 95 }, { name: web-v2, port: 80, weight: 5 }]
`;

const virtualService = (name: string, http: string): string => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { namespace: store, name: ${name} }
spec:
  hosts: [${hostOf(name)}]
  http: [${http}]
`;

const to = (name: string): string => `route: [{ destination: { host: ${hostOf(name)} } }]`;

export const noRetries: string = virtualService('flaky', `{ ${to('flaky')}, retries: { attempts: 0 } }`);
export const retries: string = virtualService(
  'flaky',
  `{ ${to('flaky')}, retries: { attempts: 3, retryOn: '5xx', backoff: 5ms } }`,
);
export const fault: string = virtualService(
  'slow',
  `{ match: [{ headers: { x-test: { exact: abort } } }], ${to('slow')}, fault: { abort: { httpStatus: 418, percentage: { value: 100 } } } },` +
    ` { match: [{ headers: { x-test: { exact: delay } } }], ${to('slow')}, fault: { delay: { fixedDelay: 300ms, percentage: { value: 100 } } } },` +
    ` { ${to('slow')} }`,
);
export const mirror: string = virtualService(
  'copied',
  `{ ${to('copied')}, mirror: { host: ${hostOf('web-v2')} }, mirrorPercentage: { value: 100 } }`,
);
export const circuit: string = `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { namespace: store, name: pair }
spec:
  host: ${hostOf('pair')}
  trafficPolicy:
    loadBalancer: { simple: ROUND_ROBIN }
    outlierDetection: { consecutive5xxErrors: 3, interval: 500ms, baseEjectionTime: 2s, maxEjectionPercent: 100 }
---
${virtualService('pair', `{ ${to('pair')}, retries: { attempts: 0 } }`)}`;

/** Reading for everybody, writing for the client only. */
export const methodPolicy = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { namespace: store, name: only-the-client-writes }
spec:
  targetRefs: [{ group: '', kind: Service, name: web-v1 }]
  action: DENY
  rules:
    - from: [{ source: { notPrincipals: [cluster.local/ns/store/sa/client] } }]
      to: [{ operation: { paths: [/orders/*] } }]
`;

export function tokenPolicy(jwks: string): string {
  return `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { namespace: store, name: vault }
spec:
  targetRefs: [{ group: '', kind: Service, name: vault }]
  jwtRules: [{ issuer: 'https://issuer.example', jwks: '${jwks}' }]
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { namespace: store, name: vault }
spec:
  targetRefs: [{ group: '', kind: Service, name: vault }]
  action: ALLOW
  rules: [{ from: [{ source: { requestPrincipals: ['https://issuer.example/*'] } }] }]
`;
}
