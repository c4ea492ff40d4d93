/** The namespaces that most claims use, and who calls there. */

/** A pod that calls: `NAME` or `deploy/NAME`. */
export interface Caller {
  readonly namespace: string;
  readonly pod: string;
}

export const SHOP = 'e2e-shop';
export const PLAIN = 'e2e-plain';
/** On the first node, in the shop. */
export const CLIENT: Caller = { namespace: SHOP, pod: 'deploy/client' };
/** The same place, another identity. */
export const STRANGER: Caller = { namespace: SHOP, pod: 'deploy/stranger' };
/** The same place, never in the mesh. */
export const OUTSIDER: Caller = { namespace: PLAIN, pod: 'deploy/client' };
export const FAR: string = `http://far.${SHOP}`;
export const NEAR: string = `http://near.${SHOP}`;
export const IDENTITY_OF_CLIENT: string = `spiffe://cluster.local/ns/${SHOP}/sa/client`;
export const IDENTITY_OF_ECHO: string = `spiffe://cluster.local/ns/${SHOP}/sa/echo`;
