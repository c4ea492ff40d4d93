/** Chooses the tools this node works with, once, and builds what programs pods and the node with them. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AgentConfig } from './agent-config.ts';
import { nodeProgram } from './node-programs.ts';
import { NetnsLooker } from './pods/netns-looker.ts';
import { IptablesProbeExemption } from './host/iptables-probe-exemption.ts';
import { NftablesProbeExemption } from './host/nftables-probe-exemption.ts';
import { PROBE_SETS, type ProbeExemption } from './host/probe-exemption.ts';
import type { CaptureBackend } from './rules/capture-backend.ts';
import { LearnedRules } from './rules/learned-rules.ts';
import { IptablesBackend } from './rules/iptables-backend.ts';
import type { Family } from './rules/iptables-text.ts';
import { chooseVariant, type IptablesVariant } from './rules/iptables-variant.ts';
import { NamespaceShell } from './rules/namespace-shell.ts';
import { NftablesBackend } from './rules/nftables-backend.ts';
import { PodCapture } from './rules/pod-capture.ts';
import { ReturnPath } from './rules/return-path.ts';

export interface CaptureSetup {
  readonly looker: NetnsLooker;
  readonly shell: NamespaceShell;
  readonly backend: CaptureBackend;
  readonly capture: PodCapture;
  readonly learned: LearnedRules;
  readonly exemption: ProbeExemption;
}

/** @throws AmbitError `COMMAND_NOT_STARTED` or `COMMAND_FAILED` when neither iptables nor nft works here. */
export async function setUpCapture(config: AgentConfig): Promise<CaptureSetup> {
  const lockDirectory = join(config.runDir, 'locks');
  mkdirSync(lockDirectory, { recursive: true });
  const isOnNode = config.hostRoot === '';
  const shell = new NamespaceShell(lockDirectory, isOnNode ? undefined : join(config.hostRoot, 'proc/1/ns/net'));
  const probes = { v4: config.probeV4, v6: config.probeV6 };
  const families: readonly Family[] = config.ipv6 && (await hasIpv6(shell)) ? ['v4', 'v6'] : ['v4'];
  const program = await nodeProgram('ambit-netns');
  const procRoot = join('/', config.hostRoot, 'proc');
  const assemble = (backend: CaptureBackend, exemption: ProbeExemption): CaptureSetup => {
    const looker = new NetnsLooker({ program, procRoot, legacyTables: backend.name === 'iptables-legacy' });
    const returnPath = new ReturnPath({ shell, eyes: looker, procRoot });
    const learned = new LearnedRules({ shell, backend, program, procRoot });
    const capture = new PodCapture(backend, returnPath, looker, learned);
    return { shell, looker, backend, capture, learned, exemption };
  };
  if (config.nativeNftables && (await canUseNftables(shell))) {
    const backend = new NftablesBackend({ shell, families, probes });
    const exemption = new NftablesProbeExemption({ shell, families, probes, kubeletUid: config.kubeletUid });
    return assemble(backend, exemption);
  }
  const variant = await detectVariant(shell, config.forcedIptables === '' ? undefined : config.forcedIptables);
  const backend = new IptablesBackend({ shell, variant, families, probes });
  const exemption = new IptablesProbeExemption({ shell, variant, families, probes });
  return assemble(backend, exemption);
}

/** Native mode needs an nft with JSON; and sets of iptables mode mean that the node runs that mode until it reboots. */
async function canUseNftables(shell: NamespaceShell): Promise<boolean> {
  const works = await attempt(shell, ['nft', '-j', 'list', 'tables']);
  const oldSets = await attempt(shell, ['ipset', 'list', '-n']);
  return works !== undefined && !(oldSets ?? '').split('\n').includes(PROBE_SETS.v4);
}

async function detectVariant(shell: NamespaceShell, forced: IptablesVariant | undefined): Promise<IptablesVariant> {
  const [nftSave, legacySave, version] = await Promise.all([
    attempt(shell, ['iptables-nft-save']),
    attempt(shell, ['iptables-legacy-save']),
    attempt(shell, ['iptables', '--version']),
  ]);
  return chooseVariant({ forced, nftSave, legacySave, defaultVersion: version ?? '' });
}

async function hasIpv6(shell: NamespaceShell): Promise<boolean> {
  return (await attempt(shell, ['ip', '-6', 'rule', 'show'])) !== undefined;
}

async function attempt(shell: NamespaceShell, argv: readonly string[]): Promise<string | undefined> {
  const result = await shell.attempt({ kind: 'own' }, argv).catch(() => undefined);
  return result?.code === 0 ? result.stdout : undefined;
}
