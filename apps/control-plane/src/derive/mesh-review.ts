import type { Resource, SourceReport } from '@ambit/kube';
import type { MeshSettings } from '../mesh-settings.ts';
import type { ConditionJudge } from './condition-judge.ts';
import { presentReads, type MeshReads } from './mesh-reads.ts';
import type { PeerLevels } from './peer-levels.ts';
import { type KnownNames, peerFindings, policyFindings } from './policy-findings.ts';
import { isOfRevision } from './revision.ts';
import { conditionFindings } from './object-verdicts.ts';

export interface MeshReviewParts {
  readonly judge: ConditionJudge;
  readonly peers: PeerLevels;
  readonly namesOf: (reads: MeshReads) => KnownNames;
  readonly settings: MeshSettings;
}

/** Says what would be suspicious about an object if it were put into the mesh as it is now. */
export class MeshReview {
  readonly #parts: MeshReviewParts;

  constructor(parts: MeshReviewParts) {
    this.#parts = parts;
  }

  /** Findings about one object; none for one of another revision. */
  review(resource: Resource): readonly SourceReport[] {
    const { judge, peers, namesOf, settings } = this.#parts;
    if (!isOfRevision(resource, settings)) return [];
    switch (resource.kind) {
      case 'AuthorizationPolicy':
        return [
          ...policyFindings(resource, namesOf(presentReads), settings),
          ...conditionFindings(resource, judge.conditionsOf(resource, presentReads)),
        ];
      case 'PeerAuthentication':
        return peerFindings(resource, peers.inherited(presentReads, resource.metadata.namespace), settings);
      case 'RequestAuthentication':
      case 'ServiceEntry':
      case 'RateLimitPolicy':
      case 'WorkloadEntry':
        return conditionFindings(resource, judge.conditionsOf(resource, presentReads));
      default:
        // Others are judged where they are read, or have nothing to judge.
        return [];
    }
  }
}
