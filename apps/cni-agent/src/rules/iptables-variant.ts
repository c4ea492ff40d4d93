/** Which of the two iptables back ends programs the rules. Pure; the texts it looks at are read by the caller. */

export type IptablesVariant = 'nft' | 'legacy';

export interface VariantEvidence {
  /** `FORCE_IPTABLES_BINARY`. */
  readonly forced: IptablesVariant | undefined;
  /** Output of `iptables-nft-save` and `iptables-legacy-save` in the node's namespace; undefined when not installed. */
  readonly nftSave: string | undefined;
  readonly legacySave: string | undefined;
  /** Output of `iptables --version`. */
  readonly defaultVersion: string;
}

/** Chains the kubelet leaves to show which variant it uses. */
const KUBELET_HINTS: readonly string[] = [':KUBE-IPTABLES-HINT', ':KUBE-KUBELET-CANARY'];

/** The variant in use on the node: forced, or the kubelet's, or the one that has rules, or the default of the system. */
export function chooseVariant(evidence: VariantEvidence): IptablesVariant {
  if (evidence.forced !== undefined) return evidence.forced;
  if (evidence.nftSave === undefined && evidence.legacySave !== undefined) return 'legacy';
  if (evidence.legacySave === undefined && evidence.nftSave !== undefined) return 'nft';
  const [nft, legacy] = [evidence.nftSave ?? '', evidence.legacySave ?? ''];
  if (hasHint(nft)) return 'nft';
  if (hasHint(legacy)) return 'legacy';
  const [nftRules, legacyRules] = [countRules(nft), countRules(legacy)];
  if (nftRules !== legacyRules) return nftRules > legacyRules ? 'nft' : 'legacy';
  return evidence.defaultVersion.includes('nf_tables') ? 'nft' : 'legacy';
}

function hasHint(save: string): boolean {
  return KUBELET_HINTS.some((hint) => save.includes(hint));
}

function countRules(save: string): number {
  return save.split('\n').filter((line) => line.startsWith('-A ')).length;
}
