/** The cluster's certificates: one authority for everything, and a kubeconfig for each client. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun } from '@ambit/runtime';
import type { LabPaths } from '../lab-paths.ts';
import { API_SERVICE, CONTROL_PLANE, nodeAddresses } from './address-plan.ts';

const VALID_DAYS = '365';
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', VALID_DAYS];
/** Instead of the distribution's configuration, which adds extensions of its own. */
const OPENSSL_CONFIG = '[req]\ndistinguished_name = dn\n[dn]\n';

interface Certificate {
  readonly name: string;
  readonly subject: string;
  readonly names?: readonly string[];
  /** Host of the API server, as this client sees it; makes a kubeconfig. */
  readonly server?: string;
}

const API_SERVER_NAMES: readonly string[] = [
  ...['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'].map((name) => `DNS:${name}`),
  'DNS:kubernetes.default.svc.cluster.local',
  ...['127.0.0.1', CONTROL_PLANE.v4, API_SERVICE].map((address) => `IP:${address}`),
];

const CERTIFICATES: readonly Certificate[] = [
  { name: 'apiserver', subject: '/CN=kube-apiserver', names: API_SERVER_NAMES },
  { name: 'kubelet-client', subject: '/O=system:masters/CN=apiserver-kubelet-client' },
  { name: 'admin', subject: '/O=system:masters/CN=admin', server: '127.0.0.1' },
  { name: 'controller-manager', subject: '/CN=system:kube-controller-manager', server: '127.0.0.1' },
  { name: 'scheduler', subject: '/CN=system:kube-scheduler', server: '127.0.0.1' },
  { name: 'proxy', subject: '/CN=system:kube-proxy', server: CONTROL_PLANE.v4 },
];

/** Makes the authority and what the control plane needs. */
export async function makeCertificates(paths: LabPaths, port: number): Promise<void> {
  const cwd = paths.certificates;
  writeFileSync(join(cwd, 'openssl.cnf'), OPENSSL_CONFIG);
  const usages = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature'];
  const extensions = [...usages, 'subjectKeyIdentifier=hash'].flatMap((one) => ['-addext', one]);
  const request = ['openssl', 'req', '-x509', '-config', 'openssl.cnf', '-subj', '/CN=ambit-kube-lab'];
  await mustRun([...request, ...KEY, ...extensions, '-keyout', 'ca.key', '-out', 'ca.crt'], { cwd });
  await Promise.all([
    ...CERTIFICATES.map((certificate) => makeCertificate(paths, port, certificate)),
    mustRun(['openssl', 'genrsa', '-out', 'sa.key', '2048'], { cwd }).then(() =>
      mustRun(['openssl', 'rsa', '-in', 'sa.key', '-pubout', '-out', 'sa.pub'], { cwd }),
    ),
  ]);
}

/** Certificate and kubeconfig of a node's kubelet. */
export async function makeNodeCertificate(paths: LabPaths, port: number, node: number): Promise<void> {
  const { v4, v6 } = nodeAddresses(node);
  await makeCertificate(paths, port, {
    name: `node${node}`,
    subject: `/O=system:nodes/CN=system:node:node${node}`,
    names: [`DNS:node${node}`, `IP:${v4}`, `IP:${v6}`],
    server: CONTROL_PLANE.v4,
  });
}

async function makeCertificate(paths: LabPaths, port: number, certificate: Certificate): Promise<void> {
  const { name, subject, names = [], server } = certificate;
  const extensions = [
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature,keyEncipherment',
    'extendedKeyUsage=serverAuth,clientAuth',
    ...(names.length > 0 ? [`subjectAltName=${names.join(',')}`] : []),
  ].flatMap((one) => ['-addext', one]);
  const request = ['openssl', 'req', '-x509', '-config', 'openssl.cnf', '-CA', 'ca.crt', '-CAkey', 'ca.key'];
  const files = ['-subj', subject, '-keyout', `${name}.key`, '-out', `${name}.crt`];
  await mustRun([...request, ...KEY, ...extensions, ...files], { cwd: paths.certificates });
  if (server === undefined) return;
  const read = (file: string): string => readFileSync(join(paths.certificates, file)).toString('base64');
  const text = kubeconfig({
    server: `https://${server}:${port}`,
    authority: read('ca.crt'),
    certificate: read(`${name}.crt`),
    key: read(`${name}.key`),
    user: name,
    context: `${CONTEXT_PREFIX}${paths.name}`,
  });
  writeFileSync(paths.kubeconfig(name), text, { mode: 0o600 });
}

/** Certificates and keys in base64. */
export interface KubeconfigParts {
  readonly server: string;
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  readonly user: string;
  readonly context: string;
}

/** A kubeconfig's context is called so, with the lab's name behind it. */
export const CONTEXT_PREFIX = 'kube-lab-';

export function kubeconfig({ server, authority, certificate, key, user, context }: KubeconfigParts): string {
  return `apiVersion: v1
kind: Config
clusters:
- name: kube-lab
  cluster: {server: "${server}", certificate-authority-data: ${authority}}
users:
- name: ${user}
  user: {client-certificate-data: ${certificate}, client-key-data: ${key}}
contexts:
- name: ${context}
  context: {cluster: kube-lab, user: ${user}}
current-context: ${context}
`;
}
