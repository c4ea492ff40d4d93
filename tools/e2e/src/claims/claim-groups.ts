import type { ClaimGroup } from '../claim.ts';
import { egressClaims } from './egress-claims.ts';
import { enrolmentClaims } from './enrolment-claims.ts';
import { installClaims } from './install-claims.ts';
import { nodeClaims } from './node-claims.ts';
import { policyClaims } from './policy-claims.ts';
import { portClaims } from './port-claims.ts';
import { probeClaims } from './probe-claims.ts';
import { uninstallClaims } from './uninstall-claims.ts';
import { upgradeClaims } from './upgrade-claims.ts';
import { workloadClaims } from './workload-claims.ts';

/** Groups of the first cluster, in the order in which they are shown; the first installs the mesh, the last removes it. */
export const claimGroups: readonly ClaimGroup[] = [
  installClaims,
  enrolmentClaims,
  probeClaims,
  policyClaims,
  workloadClaims,
  portClaims,
  egressClaims,
  upgradeClaims,
  nodeClaims,
  uninstallClaims,
];
