import type { ClaimGroup } from '../claim.ts';

/** All groups, in the order in which they are shown. */
export const claimGroups: readonly ClaimGroup[] = [];
