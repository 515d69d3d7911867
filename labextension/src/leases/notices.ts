/** Pure rules: what a person is told of without looking at the panel. */

import type { Words } from '../format';
import type { INoticeOf } from '../notifications';
import type { LeaseAnswer } from '../wire';
import { localTimes } from './local-times';
import type { ILeaseRows } from './rows';
import { endOf, remaining } from './rows';
import { devices, early, until, type Label } from './sentences';
import { clock, gpus, span } from './times';

export type NoticeAction =
  'accept' | 'decline' | 'extend' | 'release' | 'request';

export interface INotice extends INoticeOf<NoticeAction> {
  /** The lease that the actions are for. */
  readonly lease: LeaseAnswer;
}

/** Seconds before the end of a lease at which its owner is told. */
const AHEAD = [60, 300] as const;

/** Milliseconds that good news stays. */
const BRIEFLY = 8000;

/** What holds as long as it is so, and is taken away when it isn't any more. */
export function standingNotices(
  rows: ILeaseRows,
  label: Label,
  now: number,
  words: Words
): INotice[] {
  const offers = rows.offered
    .filter(lease => remaining(lease, now) > 0)
    .map(lease => offered(lease, label, now, words));
  return [
    ...offers,
    ...rows.active
      .filter(({ problem }) => problem)
      .map(lease => broken(lease, now, words)),
    ...rows.active.flatMap(lease => expiring(lease, label, now, words) ?? [])
  ];
}

function offered(
  lease: LeaseAnswer,
  label: Label,
  now: number,
  words: Words
): INotice {
  // In steps of a minute: what changes each second can't be read, and comes up anew.
  const minutes = Math.floor(remaining(lease, now) / 60);
  return {
    key: `offer ${lease.id}`,
    stage: 'offer',
    type: 'info',
    message: words.__(
      '%1 for you: accept within %2, or it goes to the next in line.',
      devices(lease.devices, label, words) || gpus(lease.gpus, words),
      minutes > 0 ? span(minutes * 60) : words.__('less than a minute')
    ),
    actions: ['accept', 'decline'],
    lease,
    autoClose: false
  };
}

/** Devices of it are not there any more. */
function broken(lease: LeaseAnswer, now: number, words: Words): INotice {
  return {
    key: `broken ${lease.id}`,
    stage: 'broken',
    type: 'error',
    message: localTimes(lease.problem, now, words),
    actions: ['release'],
    lease,
    autoClose: false
  };
}

function expiring(
  lease: LeaseAnswer,
  label: Label,
  now: number,
  words: Words
): INotice | null {
  const whole = (endOf(lease) - startOf(lease)) / 1000;
  const seconds = remaining(lease, now);
  const what = devices(lease.devices, label, words) || gpus(lease.gpus, words);
  if (lease.reason !== null && seconds > 0) {
    return {
      key: `end ${lease.id}`,
      stage: lease.reason,
      type: 'warning',
      message: words.__(
        '%1 goes back at %2. %3 Save your work.',
        what,
        clock(new Date(endOf(lease)).toISOString(), now, words),
        early(lease, words)
      ),
      actions: [],
      lease,
      autoClose: false
    };
  }
  // A lease that was never longer than this needs no telling that it is short.
  const ahead = AHEAD.find(limit => seconds <= limit && whole > limit);
  return ahead === undefined || seconds === 0
    ? null
    : {
        key: `end ${lease.id}`,
        // After an extension the same warning comes again, for another end.
        stage: `${ahead} ${lease.expires_at ?? ''}`,
        type: 'warning',
        message: words.__(
          'Your lease of %1 ends at %2, in less than %3. %4',
          what,
          clock(new Date(endOf(lease)).toISOString(), now, words),
          span(ahead),
          atEnd(lease, words)
        ),
        actions: ['extend'],
        lease,
        autoClose: false
      };
}

/** What the end means for what runs on it, and what helps. */
function atEnd(lease: LeaseAnswer, words: Words): string {
  switch (lease.strength) {
    case 'guarded':
    case 'isolated':
      return words.__(
        'Save your work, or extend it: what goes on after that is stopped.'
      );
    default:
      return lease.kernel_id === null
        ? words.__('Save your work, or extend it.')
        : words.__(
            'Save your work, or extend it: its notebook loses the GPU then.'
          );
  }
}

function startOf(lease: LeaseAnswer): number {
  return Date.parse(lease.started_at ?? lease.created_at);
}

/** A wait that has ended by itself: the lease runs. */
export function startedNotice(
  lease: LeaseAnswer,
  label: Label,
  now: number,
  words: Words
): INotice {
  return {
    key: `start ${lease.id}`,
    stage: 'start',
    type: 'success',
    message: words.__(
      'Your lease has begun: %1, %2.',
      devices(lease.devices, label, words) || gpus(lease.gpus, words),
      until(lease, now, words)
    ),
    actions: [],
    lease,
    autoClose: BRIEFLY
  };
}

/** A lease that is over, and not because its owner said so here; `null`: nothing to tell. */
export function endedNotice(
  lease: LeaseAnswer,
  label: Label,
  words: Words
): INotice | null {
  const what = devices(lease.devices, label, words) || gpus(lease.gpus, words);
  const base = { key: `end ${lease.id}`, stage: 'over', lease };
  switch (lease.reason) {
    case 'expired':
      return {
        ...base,
        type: 'info',
        message: words.__('Your lease of %1 has ended: its time was up.', what),
        actions: ['request'],
        autoClose: false
      };
    case 'lapsed':
      return {
        ...base,
        type: 'info',
        message: words.__(
          'The offer of %1 was not accepted in time and went on to the next.',
          what
        ),
        actions: ['request'],
        autoClose: false
      };
    case 'revoked':
      return {
        ...base,
        type: 'error',
        message: words.__(
          '%1 was taken from you. Stop what still computes there. Reason: %2',
          what,
          lease.remark
        ),
        actions: ['request'],
        autoClose: false
      };
    case 'reclaimed':
      return {
        ...base,
        type: 'warning',
        message: words.__(
          '%1 has gone back. Stop what still computes there. %2',
          what,
          early(lease, words)
        ),
        actions: ['request'],
        autoClose: false
      };
    case 'idle':
      return {
        ...base,
        type: 'info',
        message: words.__('%1 has gone back: nothing ran on it.', what),
        actions: ['request'],
        autoClose: false
      };
    case 'lost':
      return {
        ...base,
        type: 'info',
        message: words.__(
          'Your lease is over. Its GPU was not there any more, and is charged until then.'
        ),
        actions: ['request'],
        autoClose: false
      };
    default:
      return null;
  }
}
