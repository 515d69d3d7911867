/** Leases and quotas as the server answers them, built from what a test cares about. */

import type {
  Gauge,
  LeaseAnswer,
  LeasesAnswer,
  PreviewAnswer,
  QuotaAnswer
} from '../src/wire';

/** A Wednesday at noon, where the tests run. */
export const NOON = new Date(2027, 0, 13, 12, 0, 0).getTime();

/** So many seconds after noon. */
export function iso(seconds: number): string {
  return new Date(NOON + seconds * 1000).toISOString();
}

/** Active, mine, from noon for two hours on GPU 0. */
export function lease(
  id: string,
  changes: Partial<LeaseAnswer> = {}
): LeaseAnswer {
  return {
    id,
    status: 'active',
    reason: null,
    owner: 'user-a',
    mine: true,
    group: null,
    gpus: 1,
    gpu_memory: null,
    gpu_model: null,
    devices: ['GPU-0'],
    duration: 7200,
    created_at: iso(0),
    started_at: iso(0),
    expires_at: iso(7200),
    offer_expires_at: null,
    ended_at: null,
    position: null,
    estimated_start: null,
    kernel_id: null,
    note: '',
    remark: '',
    interactive: true,
    strength: 'advisory',
    borrowed: false,
    gpu_hours: 0,
    problem: '',
    verdict: {
      outcome: 'admitted',
      limit: null,
      used: null,
      allowed: null,
      message: '',
      hint: ''
    },
    ...changes
  };
}

export function queued(
  id: string,
  position: number,
  changes: Partial<LeaseAnswer> = {}
): LeaseAnswer {
  return lease(id, {
    status: 'queued',
    position,
    devices: [],
    started_at: null,
    expires_at: null,
    estimated_start: iso(8400),
    ...changes
  });
}

export function offered(
  id: string,
  seconds: number,
  changes: Partial<LeaseAnswer> = {}
): LeaseAnswer {
  return lease(id, {
    status: 'offered',
    started_at: null,
    expires_at: null,
    offer_expires_at: iso(seconds),
    ...changes
  });
}

/** Of somebody else, whose id isn't told. */
export function foreign(changes: Partial<LeaseAnswer> = {}): LeaseAnswer {
  return lease('', { owner: 'user-b', mine: false, ...changes });
}

export function leases(items: LeaseAnswer[], seconds = 0): LeasesAnswer {
  return { items, next: null, time: iso(seconds) };
}

export function gauge(changes: Partial<Gauge> = {}): Gauge {
  return {
    scope: 'user',
    name: 'user-a',
    kind: 'gpus',
    used: 0,
    allowed: 2,
    nominal: 2,
    left: 2,
    window: null,
    window_seconds: null,
    resets_at: null,
    ...changes
  };
}

export function quota(changes: Partial<QuotaAnswer> = {}): QuotaAnswer {
  return {
    user: 'user-a',
    groups: [],
    admin: false,
    known: true,
    gauges: [],
    max_lease: 24 * 3600,
    models: null,
    available_models: ['NVIDIA H200'],
    largest: 2,
    offer_window: 600,
    names_hidden: false,
    reservations: [],
    problem: null,
    time: iso(0),
    ...changes
  };
}

export function preview(changes: Partial<PreviewAnswer> = {}): PreviewAnswer {
  return {
    verdict: lease('').verdict,
    devices: ['GPU-1'],
    expires_at: iso(7200),
    position: null,
    estimated_start: null,
    gpu_hours: 2,
    time: iso(0),
    ...changes
  };
}

export const label = (uuid: string) => uuid.replace('-', ' ');
