import type { ClaimGroup } from '../claim.ts';
import { configurationClaims } from './configuration-claims.ts';
import { enrolmentClaims } from './enrolment-claims.ts';
import { identityClaims } from './identity-claims.ts';
import { policyClaims } from './policy-claims.ts';
import { outageClaims } from './outage-claims.ts';
import { protocolClaims } from './protocol-claims.ts';
import { refusalClaims } from './refusal-claims.ts';
import { waypointClaims } from './waypoint-claims.ts';

/** All groups, in the order in which they are shown. */
export const claimGroups: readonly ClaimGroup[] = [
  enrolmentClaims,
  identityClaims,
  policyClaims,
  protocolClaims,
  outageClaims,
  refusalClaims,
  configurationClaims,
  waypointClaims,
];
