/** The calls of the server part that this wing makes. */

import type { ServerConnection } from '@jupyterlab/services';

import { get, patch, post, remove } from '../request';
import type {
  AuditsAnswer,
  LeaseAnswer,
  LeasePatchBody,
  LeaseRequestBody,
  LeasesAnswer,
  PreviewAnswer,
  QuotaAnswer
} from '../wire';

/** Each throws as `get` of `request.ts`. */
export interface ILeaseApi {
  live(): Promise<LeasesAnswer>;
  ended(cursor: string | undefined): Promise<LeasesAnswer>;
  audit(cursor: string | undefined): Promise<AuditsAnswer>;
  one(id: string): Promise<LeaseAnswer>;
  quota(): Promise<QuotaAnswer>;
  preview(body: LeaseRequestBody): Promise<PreviewAnswer>;
  request(body: LeaseRequestBody, key: string): Promise<LeaseAnswer>;
  change(id: string, body: Partial<LeasePatchBody>): Promise<LeaseAnswer>;
  /** Give back, leave the queue, decline; another's: revoke, which needs a reason. */
  end(id: string, reason?: string): Promise<LeaseAnswer>;
}

/** Live leases in one answer: more than this don't fit a panel either. */
const MOST = 1000;

const PAGE = 20;

export function leaseApi(settings: ServerConnection.ISettings): ILeaseApi {
  return {
    live: () => get('/leases', { query: { limit: MOST } }, settings),
    ended: cursor =>
      get(
        '/leases',
        { query: { status: 'ended', limit: PAGE, cursor } },
        settings
      ),
    audit: cursor =>
      get('/audit', { query: { limit: PAGE, cursor } }, settings),
    one: id => get('/leases/{id}', { path: { id } }, settings),
    quota: () => get('/quota', {}, settings),
    preview: async body =>
      (await post(
        '/leases',
        { body: { ...body, dry_run: true } },
        settings
      )) as PreviewAnswer,
    request: async (body, key) =>
      (await post(
        '/leases',
        { body, header: { 'Idempotency-Key': key } },
        settings
      )) as LeaseAnswer,
    change: (id, body) =>
      patch(
        '/leases/{id}',
        { path: { id }, body: body as LeasePatchBody },
        settings
      ),
    end: (id, reason) =>
      remove('/leases/{id}', { path: { id }, query: { reason } }, settings)
  };
}
