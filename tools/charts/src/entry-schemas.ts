/**
 * Specifications of the kinds that name services and machines outside the cluster.
 * Source: https://istio.io/latest/docs/reference/config/networking/
 */
import { matchLabels } from './attachment-schemas.ts';
import { choice, count, list, map, oneOf, port, record, text, texts, type Rule, type Schema } from './schema.ts';

const NEEDS_ADDRESS: Rule = {
  rule: 'has(self.address) || has(self.network)',
  message: 'an address is needed, unless the network has a gateway',
};
const SOCKET_WITHOUT_PORTS: Rule = {
  rule: "has(self.address) && self.address.startsWith('unix://') ? !has(self.ports) : true",
  message: 'a unix socket has no ports',
};

const machine: Readonly<Record<string, Schema>> = {
  address: { type: 'string', maxLength: 256 },
  ports: map(port, 128),
  labels: map(text, 256),
  network: { type: 'string', maxLength: 2048 },
  locality: { type: 'string', maxLength: 2048 },
  weight: count,
  serviceAccount: { type: 'string', maxLength: 253 },
};

export const workloadEntry: Schema = record(machine, { rules: [NEEDS_ADDRESS, SOCKET_WITHOUT_PORTS] });

const httpGet = record(
  {
    path: text,
    port,
    host: text,
    scheme: oneOf('', 'HTTP', 'HTTPS'),
    httpHeaders: list(record({ name: text, value: text })),
  },
  { required: ['port'] },
);
const atLeastZero: Schema = { type: 'integer', format: 'int32', minimum: 0 };

export const workloadGroup: Schema = record(
  {
    metadata: record({ labels: map(text, 256), annotations: map(text, 256) }),
    template: record(machine, { rules: [SOCKET_WITHOUT_PORTS] }),
    probe: choice(
      {
        initialDelaySeconds: atLeastZero,
        timeoutSeconds: atLeastZero,
        periodSeconds: atLeastZero,
        successThreshold: atLeastZero,
        failureThreshold: atLeastZero,
        httpGet,
        tcpSocket: record({ host: text, port }, { required: ['port'] }),
        exec: record({ command: list({ type: 'string', minLength: 1 }) }, { required: ['command'] }),
        grpc: record({ port, service: text }),
      },
      ['httpGet', 'tcpSocket', 'exec', 'grpc'],
    ),
  },
  { required: ['template'] },
);

const servicePort = record(
  {
    number: port,
    name: { type: 'string', maxLength: 256 },
    protocol: { type: 'string', maxLength: 256 },
    targetPort: port,
  },
  { required: ['number', 'name'] },
);

const host: Schema = {
  type: 'string',
  'x-kubernetes-validations': [{ rule: "self != '*'", message: 'a host cannot be only a wildcard' }],
};

export const serviceEntry: Schema = record(
  {
    hosts: { ...list(host, 256), minItems: 1 },
    addresses: list({ type: 'string', maxLength: 64 }, 256),
    ports: {
      ...list(servicePort, 256),
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    },
    location: oneOf('MESH_EXTERNAL', 'MESH_INTERNAL'),
    resolution: oneOf('NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'),
    endpoints: list(workloadEntry, 4096),
    workloadSelector: record({ labels: matchLabels }),
    exportTo: texts,
    subjectAltNames: texts,
  },
  {
    required: ['hosts'],
    rules: [
      {
        rule: '!(has(self.workloadSelector) && has(self.endpoints))',
        message: 'only one of workloadSelector, endpoints may be set',
      },
      {
        rule: "has(self.endpoints) ? has(self.resolution) && self.resolution != 'NONE' : true",
        message: 'endpoints need a resolution other than NONE',
      },
      {
        rule: "has(self.resolution) && self.resolution == 'DNS_ROUND_ROBIN' && has(self.endpoints) ? self.endpoints.size() <= 1 : true",
        message: 'DNS_ROUND_ROBIN takes one endpoint at most',
      },
    ],
  },
);
