/** Pure rules: rows of the audit as people read them. */

import type { Words } from '../format';
import type { AuditAnswer } from '../wire';
import { gpus, span } from './times';

/** What the rules do by themselves. */
const RULES = 'gpuctl';

/** Whom a row is about, and what was done: `user-a: asked for 1 GPU for 2 h`. */
export function logLine(row: AuditAnswer, user: string, words: Words): string {
  const { actor, owner } = row;
  const whom = owner ?? (actor === RULES ? '' : actor);
  const name = whom === user ? words.__('you') : whom;
  const what = done(row, words);
  const line = name ? words.__('%1: %2', name, what) : what;
  return owner === null || actor === owner || actor === RULES
    ? line
    : words.__('%1, by %2', line, actor === user ? words.__('you') : actor);
}

function done({ action, detail }: AuditAnswer, words: Words): string {
  switch (action) {
    case 'lease.request':
      return words.__('asked for %1', asked(detail, words));
    case 'lease.refuse':
      return words.__('refused (%1)', text(detail['limit']));
    case 'lease.start':
      return words.__('lease began');
    case 'lease.offer':
      return words.__('was offered it');
    case 'lease.accept':
      return words.__('accepted');
    case 'lease.extend':
      return words.__('extended by %1', span(Number(detail['seconds'])));
    case 'lease.release':
      return words.__('gave back');
    case 'lease.expire':
      return words.__('time was up');
    case 'lease.cancel':
      return words.__('left the line');
    case 'lease.decline':
      return words.__('declined');
    case 'lease.lapse':
      return words.__('did not accept in time');
    case 'lease.revoke':
      return words.__('revoked: %1', text(detail['reason']));
    case 'lease.reclaim':
      return words.__('borrowed, to be given back');
    case 'lease.reclaimed':
      return words.__('borrowed, was taken back');
    case 'lease.idle':
      return words.__('not used, was taken back');
    case 'lease.keep':
      return words.__('keeps an idle lease');
    case 'lease.attach':
      return words.__('attached to a kernel');
    case 'lease.detach':
      return words.__('detached from its kernel');
    case 'lease.devices_gone':
      return words.__('GPU is gone');
    case 'lease.devices_back':
      return words.__('GPU is back');
    case 'clock.step':
      return words.__('The clock was set: all ends have moved along.');
    default:
      // Of a newer server part, or of another wing: its own name says it well enough.
      return action.replace(/[._]/g, ' ');
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function asked(detail: AuditAnswer['detail'], words: Words): string {
  return words.__(
    '%1 for %2',
    gpus(Number(detail['gpus']), words),
    span(Number(detail['duration']))
  );
}
