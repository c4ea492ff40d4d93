/** What the route changes on the head before it goes to the backend. Spec: contract l7 1.5, 3.2, 5.2. */
import { isFieldValue } from '@ambit/http';
import { rewritePath } from '@ambit/routing';

import { editedText, editHeaders, type HeaderEdits } from '../config/header-edits.ts';
import type { FoundRoute, RouteBackend } from '../config/route.ts';
import type { RequestRecord } from './request-record.ts';
import type { RequestView } from './request-view.ts';

/** The backend's edits, then the route's, then the rewrite of path and authority: the same for every attempt. */
export function editRequest(found: FoundRoute, backend: RouteBackend, view: RequestView, record: RequestRecord): void {
  const { route, matched } = found;
  const { head } = view;
  let authority: string | undefined;
  const edit = (edits: HeaderEdits | undefined): void => {
    if (edits === undefined) return;
    editHeaders(edits, head.fields, record);
    if (edits.authority !== undefined) authority ??= editedText(edits.authority, record);
  };
  edit(backend.requestHeaders);
  edit(route.requestHeaders);
  authority = route.rewrite?.authority ?? authority;
  if (authority !== undefined && authority !== '' && isFieldValue(authority)) head.authority = authority;
  if (route.rewrite?.path !== undefined) {
    head.fields.set('x-envoy-original-path', head.target);
    head.target = rewritePath(route.rewrite.path, view.path, matched) + view.query;
  }
}

/** The same on the answer's head. */
export function editResponse(
  found: FoundRoute | undefined,
  backend: RouteBackend | undefined,
  record: RequestRecord,
): void {
  const fields = record.responseHead?.fields;
  if (fields === undefined) return;
  if (backend?.responseHeaders !== undefined) editHeaders(backend.responseHeaders, fields, record);
  if (found?.route.responseHeaders !== undefined) editHeaders(found.route.responseHeaders, fields, record);
}
