/** What both waypoints are asked to do: the same routes, rules, token and log. Pure. */

export const TOKEN_ISSUER = 'https://issuer.example';
/** Rules of one ALLOW policy; the last one matches. */
export const RULES = 20;
/** Routes of the service with many. */
export const ROUTES = 1000;
/** The one that is asked for. */
export const ASKED_ROUTE = 500;

export const routePath = (index: number): string => `/r${String(index).padStart(4, '0')}`;

export interface SceneFacts {
  readonly jwks: string;
  /** Path of Node for commands of pods. */
  readonly node: string;
  /** Folder of the prepared files. */
  readonly folder: string;
  /** Script that turns into Envoy; undefined leaves Envoy out. */
  readonly envoyScript: string | undefined;
  readonly envoyProgram: string | undefined;
  /** Files of the lab, as its pods see them. */
  readonly caRootFile: string;
  readonly caAddress: string;
  readonly tokenFile: string;
}

const yaml = (...documents: readonly string[]): string => documents.join('---\n');

const pod = (
  name: string,
  account: string,
  labels: string,
  node: string,
  command: string,
  port: number | undefined,
): string => `apiVersion: v1
kind: Pod
metadata: { namespace: bench, name: ${name}, labels: { ${labels} } }
spec:
  nodeName: ${node}
  serviceAccountName: ${account}
  containers:
    - name: main
      command: ${command}
${port === undefined ? '' : `      readinessProbe: { tcpSocket: { port: ${port} } }\n`}`;

const service = (name: string, waypoint: string): string => `apiVersion: v1
kind: Service
metadata: { namespace: bench, name: ${name}, labels: { istio.io/use-waypoint: ${waypoint} } }
spec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`;

const grpcService = (name: string, waypoint: string): string => `apiVersion: v1
kind: Service
metadata: { namespace: bench, name: ${name}, labels: { istio.io/use-waypoint: ${waypoint} } }
spec: { selector: { app: web }, ports: [{ name: grpc, port: 80, targetPort: 8081 }] }
`;

/** Plain HTTP proxies without identities, policies and logs: how much of the work is HTTP itself. */
export const references = ['nginx', 'haproxy'] as const;

const referenceCommands: Readonly<Record<(typeof references)[number], (folder: string) => string>> = {
  nginx: (folder) => `[nginx, -p, $(POD_DIR)/, -c, ${folder}/nginx-proxy.conf]`,
  haproxy: (folder) => `[haproxy, -db, -f, ${folder}/haproxy.cfg]`,
};

const reference = (name: (typeof references)[number], folder: string): string =>
  yaml(
    pod(
      `proxy-${name}`,
      'proxy',
      `app: proxy-${name}, istio.io/dataplane-mode: none`,
      'node2',
      referenceCommands[name](folder),
      8080,
    ),
    `apiVersion: v1
kind: Service
metadata: { namespace: bench, name: web-${name} }
spec: { selector: { app: proxy-${name} }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`,
  );

/** The route of `live-ambit` whose answers tell its version. */
export function liveRoute(version: number): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { namespace: bench, name: live-ambit }
spec:
  parentRefs: [{ group: '', kind: Service, name: live-ambit, port: 80 }]
  rules:
    - filters:
        - type: ResponseHeaderModifier
          responseHeaderModifier: { set: [{ name: x-version, value: '${version}' }] }
      backendRefs: [{ name: live-ambit, port: 80 }]
`;
}

/** The lab: a caller in the mesh, nginx outside of it, and one or two waypoints. */
export function sceneManifest(facts: SceneFacts): string {
  const { jwks, folder, envoyScript, envoyProgram } = facts;
  const common = [
    'apiVersion: v1\nkind: Namespace\nmetadata: { name: bench, labels: { istio.io/dataplane-mode: ambient } }\n',
    ...['client', 'web', 'envoy', 'proxy'].map(
      (name) => `apiVersion: v1\nkind: ServiceAccount\nmetadata: { namespace: bench, name: ${name} }\n`,
    ),
    pod('client', 'client', 'app: client', 'node1', '[sleep, infinity]', undefined),
    pod(
      'web',
      'web',
      'app: web, istio.io/dataplane-mode: none',
      'node2',
      `[nginx, -p, $(POD_DIR)/, -c, ${folder}/nginx.conf]`,
      8080,
    ),
  ];
  const ambit = [
    `apiVersion: v1
kind: Service
metadata: { namespace: bench, name: direct }
spec: { clusterIP: None, selector: { app: web }, ports: [{ name: http, port: 8080 }] }
`,
    gateway('ambit', 'ambit-waypoint'),
    ...['web-ambit', 'many-ambit', 'live-ambit'].map((name) => service(name, 'ambit')),
    grpcService('grpc-ambit', 'ambit'),
    ...['web-ambit', 'many-ambit', 'live-ambit', 'grpc-ambit'].map((name) => accessRules(name, jwks)),
    headerRoute('web-ambit'),
    headerRoute('grpc-ambit'),
    ...references.map((name) => reference(name, folder)),
    ...manyRoutes('many-ambit'),
    `apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: { namespace: bench, name: log }
spec:
  targetRefs: [{ group: gateway.networking.k8s.io, kind: Gateway, name: ambit }]
  accessLogging: [{ providers: [{ name: envoy }] }]
`,
  ];
  const envoy =
    envoyScript === undefined || envoyProgram === undefined
      ? []
      : [
          // Nobody deploys this class; its address is written here.
          `${gateway('envoy', 'bench-envoy')}status: { addresses: [{ type: Hostname, value: envoy.bench.svc.cluster.local }] }\n`,
          ...['web-envoy', 'many-envoy'].map((name) => service(name, 'envoy')),
          grpcService('grpc-envoy', 'envoy'),
          `apiVersion: v1
kind: Service
metadata: { namespace: bench, name: envoy, labels: { gateway.istio.io/managed: bench } }
spec: { selector: { app: envoy }, ports: [{ name: hbone, port: 15008 }] }
`,
          pod(
            'envoy',
            'envoy',
            'app: envoy, istio.io/dataplane-mode: none, gateway.networking.k8s.io/gateway-name: envoy',
            'node2',
            `['${facts.node}', '${envoyScript}', '${envoyProgram}', '${folder}', '${facts.caAddress}', '${facts.caRootFile}', '${facts.tokenFile}']`,
            15_008,
          ),
        ];
  return yaml(...common, ...ambit, ...envoy);
}

function gateway(name: string, className: string): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { namespace: bench, name: ${name} }
spec: { gatewayClassName: ${className}, listeners: [{ name: mesh, port: 15008, protocol: HBONE }] }
`;
}

/** A token for everybody and one ALLOW policy whose last rule matches. */
function accessRules(name: string, jwks: string): string {
  const rules = Array.from({ length: RULES }, (_, index) =>
    index + 1 < RULES
      ? `{ to: [{ operation: { paths: [/rule${index}/*], methods: [POST] } }] }`
      : '{ to: [{ operation: { paths: [/*], methods: [GET, POST] } }] }',
  );
  return yaml(
    `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { namespace: bench, name: ${name} }
spec:
  targetRefs: [{ group: '', kind: Service, name: ${name} }]
  jwtRules: [{ issuer: '${TOKEN_ISSUER}', jwks: '${jwks}' }]
`,
    `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { namespace: bench, name: ${name} }
spec:
  targetRefs: [{ group: '', kind: Service, name: ${name} }]
  action: ALLOW
  rules: [${rules.join(', ')}]
`,
  );
}

function headerRoute(name: string): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { namespace: bench, name: ${name} }
spec:
  parentRefs: [{ group: '', kind: Service, name: ${name}, port: 80 }]
  rules:
    - matches: [{ headers: [{ name: x-lane, value: fast }] }]
      backendRefs: [{ name: ${name}, port: 80 }]
    - backendRefs: [{ name: ${name}, port: 80 }]
`;
}

/** A route holds 16 rules at most. */
function manyRoutes(name: string): readonly string[] {
  const perObject = 16;
  return Array.from({ length: Math.ceil(ROUTES / perObject) }, (_, object) => {
    const rules = Array.from({ length: Math.min(perObject, ROUTES - object * perObject) }, (_unused, index) => {
      const path = routePath(object * perObject + index);
      return `    - matches: [{ path: { type: PathPrefix, value: ${path} }, headers: [{ name: x-lane, value: fast }] }]
      backendRefs: [{ name: ${name}, port: 80 }]
`;
    });
    return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { namespace: bench, name: ${name}-${object} }
spec:
  parentRefs: [{ group: '', kind: Service, name: ${name}, port: 80 }]
  rules:
${rules.join('')}`;
  });
}

/** nginx in the pod's own folder, with two bodies from files `small` and `large` of a folder. */
export function nginxConfiguration(folder: string): string {
  return `daemon off;
user root;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  open_file_cache max=10;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {
    listen 8080;
    listen [::]:8080;
    default_type text/plain;
    root ${folder};
    location / { rewrite ^ /small break; }
    location /large { rewrite ^ /large break; }
  }
  server {
    listen 8081 http2;
    listen [::]:8081 http2;
    http2_max_requests 100000000;
    default_type application/grpc;
    add_header grpc-status 0;
    location / { return 200; }
  }
}
`;
}

/** nginx as a reverse proxy of that nginx. */
export const nginxProxyConfiguration = `daemon off;
user root;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  keepalive_timeout 600s;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream web { server direct.bench.svc.cluster.local:8080; keepalive 64; }
  server {
    listen 8080;
    listen [::]:8080;
    location / {
      proxy_pass http://web;
      proxy_http_version 1.1;
      proxy_set_header connection '';
    }
  }
}
`;

/** haproxy as one. */
export const haproxyConfiguration = `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  option http-no-delay
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  http-reuse always
frontend all
  bind :::8080 v4v6
  default_backend web
backend web
  server web direct.bench.svc.cluster.local:8080
`;
