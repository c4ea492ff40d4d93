/** The mesh's processes: where each runs, what it is told, and how one sees that it is ready. Pure. */
import { join } from 'node:path';
import { memoryEnvironment, nodeOptions } from '@ambit/runtime';
import { FABRIC_ADDRESS, linkAddresses } from './address-plan.ts';
import { IdentityFiles, SYSTEM_NAMESPACE } from './identity-files.ts';
import type { LabDescription, LabNode } from './lab-file.ts';
import { FABRIC, type LabPaths } from './lab-names.ts';

export const PORTS = {
  controlPlaneXds: 15_012,
  ca: 15_013,
  controlPlaneHttp: 8_080,
  controlPlaneMetrics: 15_014,
  caHttp: 15_015,
} as const;

export interface PlannedProcess {
  readonly name: string;
  /** What it is, for settings and wording: several processes may be of one kind. */
  readonly kind: 'bus' | 'ca' | 'control-plane' | 'cni-agent' | 'ztunnel';
  /** `fabric` or a node. */
  readonly machine: string;
  /** From the root of the repository. */
  readonly entry: string;
  /** An executable that runs in place of the entry. */
  readonly program?: string;
  /** Options of Node, before the entry. */
  readonly nodeOptions?: readonly string[];
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Uses the resolver of its node instead of the machine's. */
  readonly usesNodeResolver: boolean;
  readonly readiness: ReadinessCheck;
}

export type ReadinessCheck =
  | { readonly kind: 'http'; readonly port: number; readonly path: string }
  | { readonly kind: 'file'; readonly path: string };

/** Started together when all of the stage before are ready: the CA's root file is read at start by those who trust it. */
export const START_STAGES: readonly (readonly PlannedProcess['kind'][])[] = [
  ['bus', 'ca'],
  ['control-plane', 'cni-agent'],
  ['ztunnel'],
];

export function planProcesses(lab: LabDescription, paths: LabPaths): readonly PlannedProcess[] {
  return [
    bus(paths),
    ca(paths),
    controlPlane(paths),
    ...lab.nodes.flatMap((node) => [
      agent(node, paths),
      ztunnel(node, paths, lab.ztunnelPrograms[node.name] ?? lab.ztunnelPrograms['*']),
    ]),
  ].map((planned) => ({ ...planned, env: { ...planned.env, ...lab.settings[planned.kind] } }));
}

function bus(paths: LabPaths): PlannedProcess {
  return {
    name: 'bus',
    kind: 'bus',
    machine: FABRIC,
    entry: 'apps/ambitctl/src/main.ts',
    args: ['bus', '--socket', paths.busSocket],
    env: {},
    usesNodeResolver: false,
    readiness: { kind: 'file', path: paths.busSocket },
  };
}

function ca(paths: LabPaths): PlannedProcess {
  return {
    name: 'ca',
    kind: 'ca',
    machine: FABRIC,
    entry: 'apps/ca/src/main.ts',
    args: [],
    usesNodeResolver: false,
    env: {
      AMBIT_CA_DIR: paths.caDirectory,
      AMBIT_JWKS_FILE: paths.jwks,
      AMBIT_ASSIGNMENTS_FILE: paths.assignments,
      AMBIT_GRPC_ADDRESS: `${FABRIC_ADDRESS.v4}:${PORTS.ca}`,
      AMBIT_HTTP_PORT: String(PORTS.caHttp),
      AMBIT_CA_SERVING_NAMES: `${SYSTEM_NAMESPACE}/istiod=${FABRIC_ADDRESS.v4}+istiod.${SYSTEM_NAMESPACE}.svc`,
      AMBIT_BUS: `unix:${paths.busSocket}`,
    },
    readiness: { kind: 'http', port: PORTS.caHttp, path: '/ready' },
  };
}

function controlPlane(paths: LabPaths): PlannedProcess {
  return {
    name: 'control-plane',
    kind: 'control-plane',
    machine: FABRIC,
    entry: 'apps/control-plane/src/main.ts',
    args: [],
    usesNodeResolver: false,
    env: {
      AMBIT_MANIFEST_DIRS: paths.manifests,
      AMBIT_STATUS_DIR: paths.status,
      AMBIT_JWKS_FILE: paths.jwks,
      AMBIT_STATE_DIR: paths.controlPlaneDirectory,
      CA_ADDRESS: `https://${FABRIC_ADDRESS.v4}:${PORTS.ca}`,
      CA_ROOT_CA: join(paths.caDirectory, 'root-cert.pem'),
      AUTH_TOKEN: paths.token(IdentityFiles.controlPlaneToken),
      AMBIT_BUS: `unix:${paths.busSocket}`,
    },
    readiness: { kind: 'http', port: PORTS.controlPlaneHttp, path: '/ready' },
  };
}

function agent(node: LabNode, paths: LabPaths): PlannedProcess {
  return {
    name: `cni-agent.${node.name}`,
    kind: 'cni-agent',
    machine: node.name,
    entry: 'apps/cni-agent/src/main.ts',
    args: [],
    usesNodeResolver: false,
    env: {
      NODE_NAME: node.name,
      POD_NAMESPACE: SYSTEM_NAMESPACE,
      AMBIT_MANIFEST_DIRS: paths.manifests,
      AMBIT_STATUS_DIR: paths.status,
      ZTUNNEL_UDS_ADDRESS: paths.zdsSocket(node.name),
      CNI_AGENT_RUN_DIR: paths.cniDirectory(node.name),
      AMBIT_BUS: `unix:${paths.busSocket}`,
    },
    readiness: { kind: 'http', port: 8_000, path: '/readyz' },
  };
}

function ztunnel(node: LabNode, paths: LabPaths, program: string | undefined): PlannedProcess {
  return {
    name: `ztunnel.${node.name}`,
    kind: 'ztunnel',
    machine: node.name,
    entry: 'apps/ztunnel/src/main.ts',
    args: [],
    ...(program === undefined ? { nodeOptions: nodeOptions.ztunnel } : { program }),
    usesNodeResolver: true,
    env: {
      ...memoryEnvironment,
      NODE_NAME: node.name,
      POD_NAME: `ztunnel-${node.name}`,
      POD_NAMESPACE: SYSTEM_NAMESPACE,
      SERVICE_ACCOUNT: 'ztunnel',
      INSTANCE_IP: linkAddresses(node.number).node.v4,
      INPOD_UDS: paths.zdsSocket(node.name),
      XDS_ADDRESS: `https://${FABRIC_ADDRESS.v4}:${PORTS.controlPlaneXds}`,
      CA_ADDRESS: `https://${FABRIC_ADDRESS.v4}:${PORTS.ca}`,
      XDS_ROOT_CA: join(paths.caDirectory, 'root-cert.pem'),
      CA_ROOT_CA: join(paths.caDirectory, 'root-cert.pem'),
      AUTH_TOKEN: paths.token(IdentityFiles.proxyToken(node.name)),
      LOG_FORMAT: 'json',
      ...(program === undefined ? { AMBIT_BUS: `unix:${paths.busSocket}` } : {}),
    },
    readiness: { kind: 'http', port: 15_021, path: '/healthz/ready' },
  };
}
